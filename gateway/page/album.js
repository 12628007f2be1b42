// The photos of this visit and the last ones, kept in this browser's own database (IndexedDB) until they are removed.

import { kept } from "./dom.js";
import { createStore, del, set, values } from "./vendor/idb-keyval.js";

const DAY_MS = 86_400_000;
/** Fields that begin anew after a reload, and change too often to be written down. */
const PASSING = { share: 0, progress: null, jobState: "", since: 0, stop: null };

/**
 * A photo has `file` (a Blob with a `name`), `isShown` (null until it is known), `width`, `height`, `thumb` and `preview` (Blobs or null), `strokes` (what
 * is painted), `points` (`{x, y, colour}` of known colours, in its pixels), and a `status`: `chosen`, `queued`, `sending`, `working`, `done` or `failed`. From `queued` on it has `query` (what
 * was asked for), `attempt` (a name for it), `painted` (the mask's Blob or null) and `reference` (a File or null); while the service has it, `job` (its path); at the end
 * `result` (see `service.js`) or `problem` (a problem document with `retry_after`).
 */
export const album = { photos: [], selected: null, isKept: true };

const database = createStore(kept("photos"), "photos");
const listeners = [];
/** Photos that changed, or went, since they were written down. */
const changed = new Set();
let count = 0;
let recalled = null;
let writing = null;

/** A name for a photo; later ones stand after it in the order of the alphabet. */
function newId() {
  count += 1;
  const numbers = [Date.now(), count, crypto.getRandomValues(new Uint32Array(1))[0]];
  return numbers.map((number) => number.toString(36).padStart(4, "0")).join("-");
}

/** Call a function with each photo that changes, and with null when the selection or the list did. */
export const watch = (listener) => listeners.push(listener);

/** Let everything be shown anew. */
export const refresh = () => tell(null);

const tell = (photo) => listeners.forEach((listener) => listener(photo));

/** A photo that the service has, or that waits in this browser. */
export const isBusy = ({ status }) => ["queued", "sending", "working"].includes(status);

export function add(file) {
  const photo = {
    id: newId(), name: file.name || "photo", file, added: Date.now(), status: "chosen", isShown: null, width: 0, height: 0,
    thumb: null, preview: null, strokes: [], points: [], query: "", attempt: "", painted: null, reference: null, job: "", result: null, problem: null, ...PASSING,
  };
  album.photos.push(photo);
  keep(photo);
  tell(null);
  return photo;
}

/** Change some fields of a photo; passing ones alone are not written down. */
export function change(photo, fields) {
  Object.assign(photo, fields);
  if (!album.photos.includes(photo)) return;
  if (Object.keys(fields).some((field) => !(field in PASSING))) keep(photo);
  tell(photo);
}

/** Take a photo out of the list and the database. */
export function remove(photo) {
  const at = album.photos.indexOf(photo);
  album.photos.splice(at, 1);
  if (album.selected === photo) album.selected = album.photos[Math.min(at, album.photos.length - 1)] ?? null;
  keep(photo);
  tell(null);
}

export function select(photo) {
  if (album.selected === photo) return;
  album.selected = photo;
  tell(null);
}

/** Bring back what was kept, once, and give these photos; what is older than a day is deleted. */
export function recall() {
  recalled ??= bringBack();
  return recalled;
}

async function bringBack() {
  if (await hasAnotherTab()) return [];
  const photos = [];
  for (const photo of await values(database).catch(() => [])) {
    if (Date.now() - photo.added > DAY_MS) del(photo.id, database).catch(() => {});
    else photos.push(Object.assign(photo, PASSING, photo.status === "sending" ? { status: "queued" } : {}));
  }
  album.photos.push(...photos);
  album.photos.sort((one, other) => (one.id < other.id ? -1 : 1));
  album.selected ??= album.photos.find(isBusy) ?? album.photos.at(-1) ?? null;
  tell(null);
  return photos;
}

/** Whether a further tab shows these photos; this one keeps its own in memory then, so that no photo is sent twice. */
function hasAnotherTab() {
  if (!navigator.locks) return false; // without HTTPS; two tabs may then follow the same job
  return new Promise((resolve) => {
    navigator.locks.request(kept("photos"), { ifAvailable: true }, (lock) => {
      album.isKept = Boolean(lock);
      resolve(!lock);
      return lock && new Promise(() => {}); // held as long as the page is
    }).catch(() => resolve(false)); // as without HTTPS
  });
}

/** Wait until all is written down. */
export const written = async () => { await writing; };

/** Write down how a photo is, or that it is gone. */
function keep(photo) {
  changed.add(photo);
  writing ??= write();
}

/** Write down what changed, each photo as it is by then; until all is, the browser asks before it leaves the page. */
async function write() {
  addEventListener("beforeunload", stay);
  await recall(); // else a photo chosen before would be brought back as one more
  for (const photo of changed) {
    changed.delete(photo); // changed meanwhile, it comes up again
    if (album.isKept) await store(photo).catch(() => { album.isKept = false; }); // full, or a private window
  }
  removeEventListener("beforeunload", stay);
  writing = null;
}

function store(photo) {
  if (!album.photos.includes(photo)) return del(photo.id, database);
  const { ...fields } = photo;
  for (const field of Object.keys(PASSING)) delete fields[field];
  return set(photo.id, fields, database);
}

const stay = (event) => event.preventDefault();
