// The service: what it can do, restorations, jobs.

const SOON_MS = 100;
const POLL_MS = 500;
const PATIENCE_MS = 30_000;

/** What went wrong: a problem document (RFC 9457), or something like one where there was no answer. */
export class Problem extends Error {
  constructor(document, retryAfter = 0) {
    super(document.detail);
    this.document = { ...document, retry_after: retryAfter };
  }
}

const unreachable = () =>
  new Problem({
    type: "",
    title: "The service does not answer",
    status: 0,
    detail: "The connection could not be made, or broke off.",
  });

const authorization = (key) => (key ? { Authorization: `Bearer ${key}` } : {});
const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/** What `GET v1/stages` says: stages, options, formats, limits, whether jobs are taken, version. */
export const describe = async (key) => (await get("v1/stages", key)).json();

/**
 * Restore a picture in one request; everything comes back in one answer.
 *
 * @param {{picture: Blob, mask: ?Blob, reference: ?Blob, query: string, key: string}} request
 * @param {(share: number) => void} onUpload called with the share of the upload that is done
 * @returns {{promise: Promise<?{report: Object, image: Blob, mask: Blob, by: string}>, cancel: () => void}}
 *   Cancelled, the promise gives null.
 */
export function restore(request, onUpload) {
  const { promise, cancel } = upload("v1/restore", request, {}, onUpload);
  return { promise: promise.then((answer) => answer && readResult(answer.response, answer.getResponseHeader("Server-Timing"))), cancel };
}

/** Submit a picture as a job, as `restore`, but the promise gives the job's path. The same `attempt` gives the same job. */
export function submit(request, attempt, onUpload) {
  const { promise, cancel } = upload("v1/jobs", request, { "Idempotency-Key": attempt }, onUpload);
  return { promise: promise.then((answer) => answer && `v1/jobs/${JSON.parse(new TextDecoder().decode(answer.response)).id}`), cancel };
}

/**
 * Wait for a job's end and give its result, as `restore`; null where it was cancelled.
 *
 * @param {(job: Object) => void} onProgress called again and again with the job
 * @param {AbortSignal} signal
 * @param {() => number} patience how many times as long to wait between two looks
 */
export async function follow(path, key, onProgress, signal, patience) {
  let seen = performance.now();
  for (let wait = SOON_MS; !signal.aborted; wait = Math.min(1.5 * wait, POLL_MS)) {
    const job = await look();
    if (signal.aborted || job?.state === "cancelled") break;
    if (job?.state === "failed") throw new Problem(job.problem);
    if (job?.state === "succeeded") return readResult(await (await get(`${path}/result`, key)).arrayBuffer(), null);
    if (job) onProgress(job);
    await pause(wait * (job?.state === "queued" ? patience() : 1));
  }
  return null;

  /** The job; null where the service has not answered, but did a moment ago: it may be starting anew. */
  async function look() {
    try {
      const job = await (await get(path, key)).json();
      seen = performance.now();
      return job;
    } catch (problem) {
      if (problem.document?.status === 0 && performance.now() - seen < PATIENCE_MS) return null;
      throw problem;
    }
  }
}

/** Cancel a job; one that has ended is forgotten with its result. */
export const forget = (path, key) => fetch(path, { method: "DELETE", headers: authorization(key), keepalive: true }).catch(() => {});

/** A picture as it is, as a JPEG that every browser shows. */
export async function preview(picture, key) {
  const answer = await asked(fetch("v1/restore?stages=&format=jpeg&quality=85&metadata=strip", { method: "POST", body: picture, headers: authorization(key) }));
  return answer.blob();
}

const get = (path, key) => asked(fetch(path, { headers: authorization(key) }));

async function asked(promise) {
  const answer = await promise.catch(() => {
    throw unreachable();
  });
  if (!answer.ok) throw readProblem(await answer.text(), answer.status, answer.headers.get("Retry-After"));
  return answer;
}

/** Send a picture; the promise gives the exchange when it is answered, and null when it is cancelled. */
function upload(path, { picture, mask, reference, query, key }, headers, onUpload) {
  const exchange = new XMLHttpRequest(); // fetch does not tell how an upload goes on
  const promise = new Promise((resolve, reject) => {
    exchange.open("POST", `${path}?${query}${query && "&"}return=bundle`);
    exchange.responseType = "arraybuffer";
    for (const [name, value] of Object.entries({ ...authorization(key), ...headers })) exchange.setRequestHeader(name, value);
    exchange.upload.onprogress = (event) => onUpload(event.loaded / event.total);
    exchange.upload.onload = () => onUpload(1);
    exchange.onerror = () => reject(unreachable());
    exchange.onabort = () => resolve(null);
    exchange.onload = () => {
      if (exchange.status < 300) resolve(exchange);
      else reject(readProblem(new TextDecoder().decode(exchange.response), exchange.status, exchange.getResponseHeader("Retry-After")));
    };
    exchange.send(mask || reference ? form(picture, mask, reference) : picture);
  });
  return { promise, cancel: () => exchange.abort() };
}

function form(picture, mask, reference) {
  const data = new FormData();
  data.append("image", picture);
  if (mask) data.append("mask", mask, "mask.png");
  if (reference) data.append("reference", reference, "reference");
  return data;
}

async function readResult(bundle, timing) {
  const parts = readParts(bundle);
  return {
    report: JSON.parse(await parts.report.text()),
    image: parts.image,
    mask: parts.mask,
    by: /result;desc="(\w+)"/.exec(timing ?? "")?.[1] ?? "run",
  };
}

/** The parts of a multipart/mixed body by name; each says its Content-Length. */
export function readParts(buffer) {
  const bytes = new Uint8Array(buffer);
  const parts = {};
  for (let start = 0, end; (end = endOfHead(bytes, start)) >= 0; ) {
    const head = new TextDecoder().decode(bytes.subarray(start, end));
    const field = (pattern) => pattern.exec(head)[1];
    const stop = end + Number(field(/^content-length: (\d+)/im));
    parts[field(/name="([^"]*)"/i)] = new Blob([bytes.subarray(end, stop)], { type: field(/^content-type: (\S+)/im) });
    start = stop;
  }
  return parts;
}

function endOfHead(bytes, start) {
  for (let at = start; at + 3 < bytes.length; at += 1) {
    if (bytes[at] === 13 && bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at + 4;
  }
  return -1;
}

function readProblem(text, status, retryAfter) {
  try {
    return new Problem(JSON.parse(text), Number(retryAfter) || 0);
  } catch {
    return new Problem({ type: "", title: `Status ${status}`, status, detail: text.slice(0, 300) }, Number(retryAfter) || 0);
  }
}
