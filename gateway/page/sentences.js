// What was done and what went wrong, in plain sentences.

import { session } from "./session.js";

const MANY = 100;
const FLAWS = ["damaged", "noisy", "faded", "toned"];
const KINDS = { line_art: "line art or text" };
const MODES = { untouched: "left as it is" };

/** A headline and what to do, by a problem's type, else by its status. */
const PLAIN = {
  "truncated-image": ["The file breaks off", "A part of it is missing. Copy or download it once more, and choose it again."],
  "corrupt-image": ["The file is damaged", "If a program still opens it, save it there as a JPEG or PNG, and choose that."],
  "not-an-image": ["No picture that can be read", "Save it as a JPEG, PNG or TIFF in another program, and choose that."],
  "image-too-large": ["Too many pixels", "Choose a smaller enlargement, or make the photo smaller first."],
  "payload-too-large": ["Too large", "Save it as a JPEG of good quality, or make it smaller first."],
  "too-many-requests": ["The service is busy", "Your photo waits in this browser."],
  "backend-unavailable": ["The service is not ready", "It is starting, or being repaired. Your photo waits in this browser."],
  "out-of-space": ["The service is full", "Your photo waits in this browser."],
  "deadline-exceeded": ["It took too long", "Allow more time under “More options”, or choose a smaller enlargement."],
  "unsupported-option": ["An option cannot be used", "Change what the message names among the options."],
  "not-found": ["The service has forgotten it", "Try again: the photo is still in this browser."],
  "result-gone": ["The service has forgotten it", "Try again: the photo is still in this browser."],
  unauthorized: ["An API key is needed", "Enter it beside the photo."],
  "upload-too-slow": ["The connection is slow", "Try again on a better one, or with a smaller file."],
  internal: ["The service failed", "Try once more; if it fails again, tell the operator the label below."],
  0: ["The service does not answer", "Your photo is safe in this browser. See whether you are online, then try again."],
  413: ["Too large to paint on", "Paint on a smaller copy, or let the service find the damage by itself."],
};
const RETRIABLE = [0, 404, 408, 410, 429, 500, 503, 504];

/** A headline for a problem document, and what to do about it; that is empty where there is nothing to say. */
export function explain({ type, title, status, retry_after: wait }) {
  const [headline, advice] = PLAIN[type?.split(":").at(-1)] ?? PLAIN[status] ?? [title, ""];
  return { headline, advice: `${advice}${wait ? ` Try again in ${wait} s.` : ""}`.trim() };
}

/** Whether trying again may help. */
export const isRetriable = ({ status }) => RETRIABLE.includes(status);

/** What was done to a photo, as "3 scratches mended, 2 faces refined." */
export function whatWasDone(photo) {
  const deeds = deedsOf(photo);
  if (!deeds.length) return whyNothing(photo.result.report);
  const text = deeds.join(", ");
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** What to try where nothing was found: the options to restore with, and the button's text; null: nothing. */
export function suggestion(photo) {
  const isTried = new URLSearchParams(photo.query).get("mode") === "thorough";
  const isThorough = photo.result.report.estimates.preprocess?.mode === "thorough";
  return deedsOf(photo).length || isTried || isThorough ? null : { options: { mode: "thorough" }, text: "Try thoroughly" };
}

function whyNothing({ estimates }) {
  if (estimates.preprocess?.mode === "untouched") {
    return estimates.preprocess.kind === "line_art"
      ? "This looks like a drawing or text, so it was left as it is."
      : `This looks like a ${estimates.preprocess.kind?.replaceAll("_", " ") ?? "picture without damage"}, so it was left as it is.`;
  }
  return "Nothing was found to mend.";
}

function deedsOf({ result: { report, damage }, painted, query }) {
  const { estimates, trace } = report;
  const ran = (stage) => trace[stage]?.outcome === "ran";
  const faces = (estimates.face?.faces ?? []).filter(({ refined }) => refined).length;
  const known = {
    denoise: ran("denoise") && "noise removed",
    deblur: ran("deblur") && "the blur undone",
    face: faces > 0 && count(faces, "face", "refined"),
    upscale: ran("upscale") && `enlarged ${estimates.upscale?.scale ?? new URLSearchParams(query).get("scale")} times`,
    preprocess: estimates.preprocess?.before_normalise && "cast and contrast corrected",
    scratch: "",
    translate: "",
    deliver: "",
  };
  const filled = estimates.translate?.filled > 0 ? mended(damage, painted) : [];
  const others = (session.service?.stages ?? []).filter(({ name }) => !(name in known) && ran(name)).map(({ label }) => label.toLowerCase());
  return [...filled, known.face, estimates.translate?.tone && "faded tone lifted", known.denoise, known.deblur, known.preprocess, ...others, known.upscale].filter(Boolean);
}

function mended(damage, painted) {
  if (painted) return ["what you painted over is filled"];
  if (!damage || !(damage.scratches + damage.spots)) return ["damage mended"];
  const { scratches, spots } = damage;
  if (!spots) return [count(scratches, "scratch", "mended", "scratches")];
  if (!scratches) return [count(spots, "spot", "removed")];
  return [`${count(scratches, "scratch", "", "scratches")}and ${count(spots, "spot", "mended")}`];
}

const count = (number, one, verb, many = `${one}s`) => `${number > MANY ? `more than ${MANY}` : number} ${number === 1 ? one : many} ${verb}`;

/** As in "Judged a damaged, faded print (97 % sure): thorough."; empty where the service does not judge. */
export function judgement({ kind, confidence, mode, ...found }) {
  if (!kind) return "";
  const flaws = FLAWS.filter((flaw) => found[flaw]).join(", ");
  const what = `${flaws} ${KINDS[kind] ?? kind.replaceAll("_", " ")}`.trim();
  const sure = confidence === undefined ? "" : ` (${Math.round(100 * confidence)} % sure)`;
  return `Judged ${kind === "line_art" ? "" : "a "}${what}${sure}: ${MODES[mode] ?? mode}.`;
}
