// The service: what it can do, and one restoration.

const POLL_MS = 500;
const PATIENCE_MS = 30_000;

/** What went wrong: a problem document (RFC 9457), or something like one where there was no answer. */
export class Problem extends Error {
  constructor(document, retryAfter) {
    super(document.detail);
    this.document = document;
    this.retryAfter = retryAfter;
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

/** What `GET v1/stages` says: stages, options, formats, limits, whether jobs are taken, version. */
export const describe = async (key) => (await get("v1/stages", key)).json();

/**
 * Restore a picture in one request; everything comes back in one answer.
 *
 * @param {{picture: Blob, mask: ?Blob, query: URLSearchParams, key: string}} request
 * @param {(share: number) => void} onUpload called with the share of the upload that is done
 * @returns {{promise: Promise<{report: Object, image: Blob, mask: Blob, by: string}>, cancel: () => void}}
 *   Cancelled, the promise gives null.
 */
export function restore(request, onUpload) {
  const { promise, cancel } = upload("v1/restore", request, onUpload);
  return { promise: promise.then((answer) => answer && readResult(answer.response, answer.getResponseHeader("Server-Timing"))), cancel };
}

/**
 * Restore a picture as a job, which tells how far it is. It is forgotten when its result is here.
 *
 * @param {(job: Object) => void} onProgress called again and again with the job
 * Otherwise as `restore`.
 */
export function restoreAsJob(request, onUpload, onProgress) {
  const sent = upload("v1/jobs", request, onUpload);
  let [path, isCancelled] = ["", false];
  const forget = () => fetch(path, { method: "DELETE", headers: authorization(request.key), keepalive: true }).catch(() => {});

  async function follow() {
    const answer = await sent.promise;
    if (!answer) return null;
    path = `v1/jobs/${JSON.parse(new TextDecoder().decode(answer.response)).id}`;
    for (let seen = performance.now(); !isCancelled; await new Promise((resolve) => { setTimeout(resolve, POLL_MS); })) {
      const job = await look(seen);
      if (isCancelled || job?.state === "cancelled") break;
      if (job?.state === "failed") throw new Problem(job.problem, 0);
      if (job?.state === "succeeded") return collect();
      if (job) {
        seen = performance.now();
        onProgress(job);
      }
    }
    return null;
  }

  /** The job; null where the service has not answered, but did a moment ago: it may be starting anew. */
  async function look(seen) {
    try {
      return await (await get(path, request.key)).json();
    } catch (problem) {
      if (problem.document?.status === 0 && performance.now() - seen < PATIENCE_MS) return null;
      throw problem;
    }
  }

  async function collect() {
    const result = readResult(await (await get(`${path}/result`, request.key)).arrayBuffer(), null);
    forget();
    return result;
  }

  function cancel() {
    isCancelled = true;
    if (path) forget();
    else sent.cancel();
  }

  return { promise: follow(), cancel };
}

async function get(path, key) {
  const answer = await fetch(path, { headers: authorization(key) }).catch(() => {
    throw unreachable();
  });
  if (!answer.ok) throw readProblem(await answer.text(), answer.status, answer.headers.get("Retry-After"));
  return answer;
}

/** Send a picture; the promise gives the exchange when it is answered, and null when it is cancelled. */
function upload(path, { picture, mask, query, key }, onUpload) {
  const exchange = new XMLHttpRequest(); // fetch does not tell how an upload goes on
  const promise = new Promise((resolve, reject) => {
    exchange.open("POST", `${path}?${query}&return=bundle`);
    exchange.responseType = "arraybuffer";
    for (const [name, value] of Object.entries(authorization(key))) exchange.setRequestHeader(name, value);
    exchange.upload.onprogress = (event) => onUpload(event.loaded / event.total);
    exchange.upload.onload = () => onUpload(1);
    exchange.onerror = () => reject(unreachable());
    exchange.onabort = () => resolve(null);
    exchange.onload = () => {
      if (exchange.status < 300) resolve(exchange);
      else reject(readProblem(new TextDecoder().decode(exchange.response), exchange.status, exchange.getResponseHeader("Retry-After")));
    };
    exchange.send(mask ? form(picture, mask) : picture);
  });
  return { promise, cancel: () => exchange.abort() };
}

function form(picture, mask) {
  const data = new FormData();
  data.append("image", picture);
  data.append("mask", mask, "mask.png");
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
