// Photos come in: chosen, dropped, pasted, or the sample.

import { add, album, change, isBusy, remove, select } from "./album.js";
import { find, size } from "./dom.js";
import { Problem, forget, preview } from "./service.js";
import { askForKey, say, session } from "./session.js";

/** Formats to save in that lose as little as the photo's own, and that browsers show; JPEG for all others. */
const LIKE = { "image/png": "png", "image/tiff": "png", "image/bmp": "png", "image/gif": "png", "image/webp": "webp", "image/avif": "avif" };
const THUMB_PX = 160;
const SAMPLE = "page/sample.jpg";

/** The format to save a photo in where none is chosen; null: the service decides. */
export function automaticFormat(photo) {
  const name = LIKE[photo.file.type] ?? "jpeg";
  return session.options.formats.includes(name) ? name : null;
}

/** Add files to the list, and show the first of them. */
export function choose(files) {
  const photos = [...files].map(add);
  if (!photos.length) return;
  select(photos[0]);
  photos.forEach(measure);
  if (photos.length > 1) say(`${photos.length} photos added.`);
}

/** Find out what a photo is; one that is too large fails. */
export async function measure(photo) {
  const limit = session.service?.limits.upload_bytes ?? Infinity;
  if (photo.file.size > limit) {
    fail(photo, new Problem({ type: "urn:photorestore:problem:payload-too-large", title: "Too large", status: 413, detail: `It has ${size(photo.file.size)}; up to ${size(limit)} are taken.` }));
  }
  await show(photo, photo.file);
}

/** Find out whether this browser shows a file of a photo, and how large it is. */
async function show(photo, file) {
  const image = new Image();
  image.src = URL.createObjectURL(file);
  const isShown = await image.decode().then(() => true, () => false);
  URL.revokeObjectURL(image.src);
  const thumb = isShown ? await makeThumb(file) : null;
  change(photo, { isShown, thumb, width: isShown ? image.naturalWidth : 0, height: isShown ? image.naturalHeight : 0 });
}

/** A small copy; the whole of a large photo in each place of the list would take all memory. Null: there is none. */
export async function makeThumb(file) {
  try {
    const bitmap = await createImageBitmap(file);
    const canvas = document.createElement("canvas");
    const scale = Math.min(THUMB_PX / Math.min(bitmap.width, bitmap.height), 1);
    [canvas.width, canvas.height] = [bitmap.width, bitmap.height].map((length) => Math.min(Math.ceil(length * scale), 2 * THUMB_PX));
    canvas.getContext("2d").drawImage(bitmap, 0, 0, Math.ceil(bitmap.width * scale), Math.ceil(bitmap.height * scale));
    bitmap.close();
    return await new Promise((resolve) => { canvas.toBlob(resolve, "image/jpeg", 0.8); });
  } catch {
    return null;
  }
}

/** Ask the service for a copy that this browser can show. */
export async function askForPreview(photo) {
  try {
    const copy = await preview(photo.file, session.key);
    change(photo, { preview: copy });
    await show(photo, copy);
  } catch (problem) {
    fail(photo, problem);
  }
}

/** Note why a photo could not be restored; any error that is no `Problem` is thrown on. */
export function fail(photo, error) {
  if (!(error instanceof Problem)) throw error;
  if (error.document.status === 401) askForKey(Boolean(session.key));
  change(photo, { status: "failed", problem: error.document, job: "" });
}

/** Take a photo out of the list; where the service has it, it forgets it. */
export function discard(photo) {
  photo.stop?.();
  if (photo.job) forget(photo.job, session.key);
  remove(photo);
}

find("file").addEventListener("change", (event) => {
  choose(event.target.files);
  event.target.value = ""; // the same file may be chosen again
});
find("sample").addEventListener("click", async () => {
  const content = await (await fetch(SAMPLE)).blob();
  choose([new File([content], "sample.jpg", { type: "image/jpeg" })]);
});
find("remove-all").addEventListener("click", () => {
  if (!album.photos.some(isBusy) || confirm("Some photos are being restored. Remove all the same?")) [...album.photos].forEach(discard);
});
document.addEventListener("paste", (event) => choose(event.clipboardData.files));
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
  choose(event.dataTransfer.files);
});
