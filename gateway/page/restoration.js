// Restorations: queued in this browser, sent one after the other, waited for, cancelled.

import { album, change, isBusy, written } from "./album.js";
import { countDamage } from "./damage.js";
import { find } from "./dom.js";
import { Mask } from "./mask.js";
import { learn } from "./pace.js";
import { withHints } from "./points.js";
import { askForPreview, automaticFormat, fail, makeThumb } from "./photo.js";
import { Problem, follow, forget, restore, submit } from "./service.js";
import { say, session } from "./session.js";

const PASSING_STATUSES = [0, 429, 503];
let isSending = false;

/** Restore photos as the form says, or by some other options; those that are being restored are left out. */
export async function enqueue(photos, options = {}) {
  if (!find("form").reportValidity()) return;
  const query = session.options.query();
  for (const [name, value] of Object.entries(options)) query.set(name, value);
  for (const photo of photos.filter((each) => !isBusy(each))) {
    const own = new URLSearchParams(query);
    const format = automaticFormat(photo);
    if (!own.has("format") && format) own.set("format", format);
    withHints(own, photo);
    const painted = photo.strokes.length ? await Mask.toBlob(photo) : null;
    if (photo.strokes.length && !painted) {
      fail(photo, new Problem({ type: "", title: "Too large to paint on", status: 413, detail: "This browser cannot make a mask of this size." }));
      continue;
    }
    change(photo, { status: "queued", query: String(own), attempt: attemptAt(photo), painted, reference: session.options.reference, job: "", result: null, problem: null, ...waiting() });
  }
  resume();
}

/** The service knows a job that was submitted twice by this name. */
const attemptAt = (photo) => `${photo.id}-${Date.now().toString(36)}`;

const waiting = () => ({ since: performance.now(), progress: null, jobState: "", share: 0 });

/** Go on with what waits: send the next photo, and follow jobs that nobody follows, as after a reload. */
export function resume() {
  for (const photo of album.photos) {
    if (photo.status === "working" && photo.job && !photo.stop) {
      change(photo, waiting());
      finish(photo, followed(photo));
    }
  }
  sendNext();
}

async function sendNext() {
  const photo = isSending ? null : album.photos.find(({ status }) => status === "queued");
  if (!photo) return;
  isSending = true;
  const isUp = await send(photo).finally(() => { isSending = false; });
  if (isUp) sendNext();
}

/** Send a photo; false where the service takes none now, so that the others are better kept. */
async function send(photo) {
  const request = { picture: photo.file, mask: photo.painted, reference: photo.reference, query: photo.query, key: session.key };
  const onUpload = (share) => change(photo, { share });
  const hasJobs = session.service.jobs;
  const sent = hasJobs ? submit(request, photo.attempt, onUpload) : restore(request, onUpload);
  change(photo, { status: "sending", stop: sent.cancel, ...waiting() });
  if (!hasJobs) return finish(photo, sent.promise);
  let job;
  try {
    job = await sent.promise;
  } catch (problem) {
    return finish(photo, Promise.reject(problem));
  }
  if (!job) return finish(photo, null);
  change(photo, { status: "working", job });
  finish(photo, followed(photo));
  return true;
}

/** The result of a photo's job. */
function followed(photo) {
  const controller = new AbortController();
  change(photo, { stop: () => { controller.abort(); forget(photo.job, session.key); } });
  const patience = () => Math.max(1, album.photos.filter(isBusy).length / 2);
  return follow(photo.job, session.key, ({ state, progress }) => change(photo, { jobState: state, progress }), controller.signal, patience);
}

/** Wait for a result, and note it or why there is none; false as in `send`. */
async function finish(photo, promise) {
  try {
    const result = await promise;
    if (result) await note(photo, result);
    else change(photo, { status: "chosen", job: "" });
  } catch (error) {
    const isLost = error.document?.status === 0 && photo.job; // the service still has it
    const { job } = photo;
    fail(photo, error);
    if (isLost) change(photo, { job });
    say(`${photo.name} could not be restored.`);
    return !PASSING_STATUSES.includes(error.document.status);
  } finally {
    change(photo, { stop: null });
  }
  return true;
}

async function note(photo, result) {
  const { job } = photo;
  learn(photo, result.report);
  const [thumb, damage] = await Promise.all([makeThumb(result.image), result.mask ? countDamage(result.mask) : null]);
  change(photo, { status: "done", job: "", result: { ...result, damage }, thumb: thumb ?? photo.thumb });
  say(`${photo.name} is restored.`);
  if (job) written().then(() => forget(job, session.key)); // nothing of it is left there, once it is safe here
  if (!photo.isShown && !photo.preview) await askForPreviewQuietly(photo);
}

/** For comparing; the result stands without it. */
async function askForPreviewQuietly(photo) {
  await askForPreview(photo);
  if (photo.status === "failed") change(photo, { status: "done", problem: null });
}

/** Stop the restoration of a photo; it can begin anew. */
export function cancel(photo) {
  if (photo.status === "queued") change(photo, { status: "chosen" });
  else photo.stop?.();
  say("Cancelled.");
}

/** Try a photo again after a problem, and with it all that wait: where its job may still be there, follow that. */
export function tryAgain(photo) {
  const attempt = photo.problem.status === 0 ? photo.attempt : attemptAt(photo); // unanswered, it may have arrived
  if (photo.job) change(photo, { status: "working", problem: null });
  else if (photo.attempt) change(photo, { status: "queued", problem: null, attempt, ...waiting() });
  else return enqueue([photo]);
  return resume();
}

addEventListener("online", () => {
  for (const photo of album.photos) if (photo.status === "failed" && photo.problem.status === 0) tryAgain(photo);
  if (session.service) resume();
});
