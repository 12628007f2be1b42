// All photos in a row: which there are, how far each is, and the one that is looked at.

import { album, isBusy, select, watch } from "./album.js";
import { find, make, show } from "./dom.js";
import { left, secondsLeftOfAll } from "./pace.js";
import { discard } from "./photo.js";

const WORDS = { chosen: "ready", queued: "waiting", sending: "sending", working: "being restored", done: "restored", failed: "not restored" };
const tiles = new Map();

function makeTile(photo) {
  const image = make("img", { alt: "", width: 88, height: 88 });
  const button = make("button", { type: "button", className: "tile" }, image, make("span", { className: "kind" }), make("span", { className: "mark" }));
  button.addEventListener("click", () => select(photo));
  const away = make("button", { type: "button", className: "away", ariaLabel: `Remove ${photo.name}`, title: "Remove" }, "×");
  away.addEventListener("click", () => {
    discard(photo);
    (find("strip").querySelector("[aria-current] , .tile") ?? find("file")).focus();
  });
  const element = make("li", {}, button, away);
  return { element, image, button, thumb: undefined };
}

function updateTile(photo) {
  const tile = tiles.get(photo.id);
  if (!tile) return;
  const { element, image, button } = tile;
  if (tile.thumb !== photo.thumb) {
    URL.revokeObjectURL(image.src);
    if (photo.thumb) image.src = URL.createObjectURL(photo.thumb);
    tile.thumb = photo.thumb;
  }
  image.hidden = !photo.thumb;
  element.querySelector(".kind").textContent = photo.thumb || photo.isShown === null ? "" : photo.name.split(".").at(-1).slice(0, 5);
  element.dataset.status = photo.status;
  button.setAttribute("aria-label", `${photo.name}, ${WORDS[photo.status]}`);
  button.title = photo.name;
  if (photo === album.selected) button.setAttribute("aria-current", "true");
  else button.removeAttribute("aria-current");
}

function updateAll() {
  const { photos } = album;
  for (const [id, { element }] of tiles) {
    if (photos.some((photo) => photo.id === id)) continue;
    element.remove();
    tiles.delete(id);
  }
  for (const photo of photos) {
    if (!tiles.has(photo.id)) {
      tiles.set(photo.id, makeTile(photo));
      find("strip").append(tiles.get(photo.id).element);
    }
    updateTile(photo);
  }
  tiles.get(album.selected?.id)?.element.scrollIntoView({ block: "nearest", inline: "nearest" });
  updateCount();
}

/** As in "2 of 5 restored, about 2 min left". */
function updateCount() {
  const { photos } = album;
  const done = photos.filter(({ status }) => status === "done").length;
  const failed = photos.filter(({ status }) => status === "failed").length;
  const time = photos.some(isBusy) ? left(secondsLeftOfAll()) : "";
  const parts = [`${done} of ${photos.length} restored`, failed && `${failed} failed`, time].filter(Boolean);
  find("count").textContent = photos.length > 1 ? `${parts.join(", ")}.` : "";
  find("kept").textContent = album.isKept
    ? "They stay in this browser until you remove them, for a day at most."
    : "They are not kept: leave this page open until you have your results.";
  show({ album: photos.length > 0, "download-all": done > 1, "remove-all": photos.length > 1 });
}

watch((photo) => {
  if (!photo) return updateAll();
  updateTile(photo);
  updateCount();
});
setInterval(() => { if (album.photos.some(isBusy)) updateCount(); }, 1000);
