// The buttons that begin and end restorations.

import { album, isBusy, select, watch } from "./album.js";
import { find, show } from "./dom.js";
import { cancel, enqueue, tryAgain } from "./restoration.js";
import { suggestion } from "./sentences.js";
import { session } from "./session.js";

const isNew = ({ status }) => status === "chosen";

/** What the button restores: all that are new, else the one that is looked at, once more. */
function pending() {
  const fresh = album.photos.filter(isNew);
  if (fresh.length) return fresh;
  return album.selected && !isBusy(album.selected) ? [album.selected] : [];
}

function update() {
  const photo = album.selected;
  const all = pending();
  const isAgain = all.length > 0 && !isNew(all[0]);
  find("restore").textContent = isAgain ? "Restore again" : all.length > 1 ? `Restore all ${all.length}` : "Restore";
  find("restore").disabled = !all.length;
  find("restore").classList.toggle("plain", photo?.status === "done");
  const isOne = Boolean(photo) && !isBusy(photo) && !isAgain && (all.length > 1 || all[0] !== photo);
  find("restore-one").textContent = photo && isNew(photo) ? "Only this one" : "This one again";
  show({ restore: all.length > 0 || !photo, "restore-one": isOne, cancel: Boolean(photo && isBusy(photo)) });
}

/** Show the photo that is being restored, and put the focus where it goes on. */
function begin(photos, options) {
  if (photos.length && !photos.includes(album.selected)) select(photos[0]);
  enqueue(photos, options);
}

find("form").addEventListener("submit", (event) => {
  event.preventDefault();
  begin(pending());
});
find("form").addEventListener("invalid", () => { find("more").open = true; }, true);
find("restore-one").addEventListener("click", () => begin([album.selected]));
find("cancel").addEventListener("click", () => cancel(album.selected));
find("suggestion").addEventListener("click", () => begin([album.selected], suggestion(album.selected).options));
find("again").addEventListener("click", () => { if (session.service && album.selected?.problem) tryAgain(album.selected); });
watch(() => update());

let before = "";

/** Where the button that had the focus is gone, the focus goes to what has taken its place. */
function moveFocus() {
  const photo = album.selected;
  const now = photo ? `${photo.id} ${isBusy(photo) ? "busy" : photo.status}` : "";
  const hasLost = document.activeElement === document.body || document.activeElement.hidden;
  if (now !== before && before && hasLost) {
    ["cancel", "download", "again", "restore"].map(find).find((each) => each.offsetParent)?.focus({ preventScroll: true });
  }
  before = now;
}
watch(() => queueMicrotask(moveFocus)); // when all buttons are shown and hidden
