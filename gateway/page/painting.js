// The mask that is painted over the photo, and the buttons for it.

import { find, show } from "./dom.js";
import { Mask } from "./mask.js";
import { forgetResult } from "./result.js";
import { state } from "./session.js";

export const mask = new Mask(find("paint"), find("brush"), () => Number(find("brush-size").value), updatePainting);

/** Show the painting and its buttons as far as there is anything to paint on. */
export function updatePainting() {
  const isPainting = find("paint-start").getAttribute("aria-pressed") === "true";
  const isVisible = Boolean(state.photo?.isShown) && !state.result && (isPainting || !mask.isEmpty);
  show({ paint: isVisible, "paint-tools": isPainting, "paint-hint": isVisible });
  find("paint").classList.toggle("active", isPainting && !state.running);
  find("undo").disabled = find("clear").disabled = mask.isEmpty;
  mask.draw();
}

function setPainting(isPainting) {
  find("paint-start").setAttribute("aria-pressed", isPainting);
  if (isPainting) forgetResult();
  updatePainting();
}

find("paint-start").addEventListener("click", (event) => setPainting(event.currentTarget.getAttribute("aria-pressed") !== "true"));
find("undo").addEventListener("click", () => mask.undo());
find("clear").addEventListener("click", () => mask.clear());
document.addEventListener("keydown", (event) => {
  if (event.key === "z" && (event.ctrlKey || event.metaKey) && !mask.isEmpty && !find("paint").hidden) mask.undo();
});
