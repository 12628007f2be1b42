// The photo: chosen, dropped or pasted.

import { find, show, size } from "./dom.js";
import { mask, updatePainting } from "./painting.js";
import { forgetResult, layOut } from "./result.js";
import { Problem } from "./service.js";
import { fail, state } from "./session.js";

/** Formats to save in that lose as little as the photo's own, and that browsers show; JPEG for all others. */
const LIKE = { "image/png": "png", "image/tiff": "png", "image/bmp": "png", "image/gif": "png", "image/webp": "webp", "image/avif": "avif" };
const LARGEST_MASK_PX = 16_384 * 16_384;

/** The format to save the photo in where none is chosen; null: the service decides. */
export function automaticFormat() {
  const name = LIKE[state.photo.file.type] ?? "jpeg";
  return state.options.formats.includes(name) ? name : null;
}

async function choose(file) {
  if (!file || state.running) return;
  forgetResult();
  show({ problem: false });
  const limit = state.service?.limits.upload_bytes ?? Infinity;
  if (file.size > limit) {
    fail(new Problem({ title: "Too large", status: 413, detail: `${file.name} has ${size(file.size)}; up to ${size(limit)} are taken.` }));
    return;
  }
  state.photo = { file, width: 0, height: 0 };
  mask.reset(0, 0);
  const before = find("before");
  URL.revokeObjectURL(before.src);
  before.src = URL.createObjectURL(file);
  const isShown = await before.decode().then(() => true, () => false);
  if (state.photo.file !== file) return;
  Object.assign(state.photo, { isShown, width: isShown ? before.naturalWidth : 0, height: isShown ? before.naturalHeight : 0 });
  mask.reset(state.photo.width, state.photo.height);
  layOut(state.photo.width, state.photo.height);
  find("name").textContent = `${file.name}, ${size(file.size)}`;
  find("blank").textContent = "This browser cannot show such a file. The service may well read it.";
  show({ drop: false, frame: true, tools: true, view: isShown, before: isShown, blank: !isShown, "paint-start": isShown && !isTooLargeToPaint() });
  find("restore").disabled = false;
  state.options?.setAutomaticFormat(automaticFormat());
  document.body.dataset.state = "chosen";
  updatePainting();
}

const isTooLargeToPaint = () => state.photo.width * state.photo.height > LARGEST_MASK_PX;

find("file").addEventListener("change", (event) => {
  choose(event.target.files[0]);
  event.target.value = ""; // the same file may be chosen again
});
document.addEventListener("paste", (event) => choose(event.clipboardData.files[0]));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dragging");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dragging");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  choose(event.dataTransfer.files[0]);
});
