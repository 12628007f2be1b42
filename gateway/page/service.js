// The service: what it can do, and one restoration.

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

/** What `GET v1/stages` says: stages, options, formats, limits, version. */
export async function describe(key) {
  const answer = await fetch("v1/stages", { headers: authorization(key) }).catch(() => {
    throw unreachable();
  });
  if (!answer.ok) throw readProblem(await answer.text(), answer.status, answer.headers.get("Retry-After"));
  return answer.json();
}

/**
 * Restore a picture; everything comes back in one answer.
 *
 * @param {{picture: Blob, mask: ?Blob, query: URLSearchParams, key: string}} request
 * @param {(share: number) => void} onUpload called with the share of the upload that is done
 * @returns {{promise: Promise<{report: Object, image: Blob, mask: Blob, by: string}>, cancel: () => void}}
 *   Cancelled, the promise gives null.
 */
export function restore({ picture, mask, query, key }, onUpload) {
  const exchange = new XMLHttpRequest(); // fetch does not tell how an upload goes on
  const promise = new Promise((resolve, reject) => {
    exchange.open("POST", `v1/restore?${query}&return=bundle`);
    exchange.responseType = "arraybuffer";
    for (const [name, value] of Object.entries(authorization(key))) exchange.setRequestHeader(name, value);
    exchange.upload.onprogress = (event) => onUpload(event.loaded / event.total);
    exchange.upload.onload = () => onUpload(1);
    exchange.onerror = () => reject(unreachable());
    exchange.onabort = () => resolve(null);
    exchange.onload = () => {
      if (exchange.status === 200) resolve(readResult(exchange));
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

async function readResult(exchange) {
  const parts = readParts(exchange.response);
  const timing = exchange.getResponseHeader("Server-Timing") ?? "";
  return {
    report: JSON.parse(await parts.report.text()),
    image: parts.image,
    mask: parts.mask,
    by: /result;desc="(\w+)"/.exec(timing)?.[1] ?? "run",
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
