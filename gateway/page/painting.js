// What is painted over the photo, and the buttons for it.

import { album, change, isBusy, watch } from "./album.js";
import { find, show } from "./dom.js";
import { Mask } from "./mask.js";
import { viewer } from "./easel.js";

const LARGEST_PX = 16_384 * 16_384;
const mask = new Mask(find("paint"), find("brush"), () => Number(find("brush-size").value), () => change(album.selected, { strokes: [...mask.strokes] }));
let painted = null;

/** Show what is painted and the buttons as far as there is anything to paint on. */
function update() {
  const photo = album.selected;
  const canPaint = Boolean(photo?.isShown) && !isBusy(photo) && photo.width * photo.height <= LARGEST_PX;
  if (painted !== photo || (photo && photo.width !== mask.width)) {
    painted = photo;
    find("paint-start").setAttribute("aria-pressed", false);
    mask.open(photo ?? { width: 0, height: 0, strokes: [] });
  }
  if (photo?.result || !canPaint) find("paint-start").setAttribute("aria-pressed", false);
  const isPainting = find("paint-start").getAttribute("aria-pressed") === "true";
  const isVisible = Boolean(photo?.isShown) && !photo.result && (isPainting || !mask.isEmpty);
  show({ paint: isVisible, "paint-start": canPaint, "paint-tools": isPainting, "paint-hint": isPainting });
  find("paint").classList.toggle("active", isPainting);
  find("undo").disabled = find("clear").disabled = mask.isEmpty;
  viewer.use("brush", isPainting);
}

find("paint-start").addEventListener("click", (event) => {
  const isPainting = event.currentTarget.getAttribute("aria-pressed") !== "true";
  const photo = album.selected;
  if (isPainting && (photo.result || photo.problem)) change(photo, { status: "chosen", result: null, problem: null });
  find("paint-start").setAttribute("aria-pressed", isPainting);
  update();
  mask.draw();
});
find("undo").addEventListener("click", () => mask.undo());
find("clear").addEventListener("click", () => mask.clear());
find("view").addEventListener("zoomed", () => mask.draw());
document.addEventListener("keydown", (event) => {
  if (event.key === "z" && (event.ctrlKey || event.metaKey) && !mask.isEmpty && !find("paint").hidden && !isBusy(album.selected)) mask.undo();
});
watch((photo) => { if (!photo || photo === album.selected) update(); });
