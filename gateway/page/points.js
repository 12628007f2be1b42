// Points whose colours somebody knows, put on the photo by a press.

import { album, change, isBusy, watch } from "./album.js";
import { STEPS, find, make, show } from "./dom.js";
import { viewer } from "./easel.js";

const STEP = 0.02;
/** Where the keyboard's mark is, as shares of width and height. */
let cursor = [0.5, 0.5];
let marked = null;

const isMarking = () => find("points-start").getAttribute("aria-pressed") === "true";

/** Add a photo's points to what is asked for; those that were written into the form stay. */
export function withHints(query, photo) {
  const told = photo.points.map(({ x, y, colour }) => `${x},${y},${colour}`);
  if (told.length) query.set("hints", [query.get("hints"), ...told].filter(Boolean).join(";"));
}

function update() {
  const photo = album.selected;
  const canMark = Boolean(photo?.isShown) && !isBusy(photo);
  if (marked !== photo || !canMark || photo.result) find("points-start").setAttribute("aria-pressed", false);
  marked = photo;
  const hasPoints = Boolean(photo?.points.length);
  show({
    "points-start": canMark, "points-tools": isMarking(), "points-hint": isMarking(),
    points: Boolean(photo?.isShown) && !photo.result && (isMarking() || hasPoints),
  });
  find("points").classList.toggle("active", isMarking());
  find("points-clear").disabled = !hasPoints;
  viewer.use("points", isMarking());
  draw(photo);
}

function draw(photo) {
  const marks = (photo?.points ?? []).map((point, at) => {
    const mark = make("button", { type: "button", className: "point", disabled: !isMarking(), ariaLabel: `Take away ${point.colour} at ${point.x}, ${point.y}` });
    Object.assign(mark.style, { background: point.colour, ...placed([(point.x + 0.5) / photo.width, (point.y + 0.5) / photo.height]) });
    mark.addEventListener("click", (event) => {
      event.stopPropagation();
      change(photo, { points: photo.points.filter((_, other) => other !== at) });
      find("points").focus({ preventScroll: true });
    });
    return mark;
  });
  const own = make("span", { className: "cursor" });
  Object.assign(own.style, placed(cursor));
  find("points").replaceChildren(...marks, own);
}

const placed = ([x, y]) => ({ left: `${100 * x}%`, top: `${100 * y}%` });

/** Put the chosen colour at a place, given as shares of width and height. */
function put([x, y]) {
  const photo = album.selected;
  const at = (share, length) => Math.min(Math.max(Math.floor(share * length), 0), length - 1);
  const point = { x: at(x, photo.width), y: at(y, photo.height), colour: find("point-colour").value };
  change(photo, { points: [...photo.points.filter((each) => each.x !== point.x || each.y !== point.y), point] });
}

find("points").addEventListener("click", (event) => {
  if (!isMarking()) return;
  const box = find("points").getBoundingClientRect();
  put([(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]);
});
find("points").addEventListener("keydown", (event) => {
  const move = STEPS[event.key];
  if (!move || event.shiftKey || event.target !== find("points") || !isMarking()) return;
  event.preventDefault();
  if (event.key === " ") return put(cursor);
  cursor = cursor.map((share, axis) => Math.min(Math.max(share + STEP * move[axis], 0), 1));
  Object.assign(find("points").lastElementChild.style, placed(cursor));
});
find("points-start").addEventListener("click", (event) => {
  const photo = album.selected;
  const begins = !isMarking();
  if (begins && find("paint-start").getAttribute("aria-pressed") === "true") find("paint-start").click();
  if (begins && (photo.result || photo.problem)) change(photo, { status: "chosen", result: null, problem: null });
  event.currentTarget.setAttribute("aria-pressed", begins);
  update();
});
find("paint-start").addEventListener("click", () => {
  if (isMarking()) find("points-start").click();
}, true);
find("points-clear").addEventListener("click", () => change(album.selected, { points: [] }));
watch((photo) => { if (!photo || photo === album.selected) update(); });
