// Progress, the report and problems, in words.

import { duration, find, make, show, size } from "./dom.js";
import { formatName } from "./options.js";

const OUTCOMES = { ran: "worked", passed: "passed", failed: "failed" };
const STATES = { ...OUTCOMES, waiting: "", running: "at work" };
const ORIGINS = { shared: "Shared with an identical request.", kept: "From the results that the service keeps." };
const KINDS = { line_art: "line art or text" };
const FLAWS = ["damaged", "noisy", "faded", "toned"];
const MODES = { untouched: "left as it is" };
const ADVICE = {
  401: "Enter an API key above.",
  408: "The connection is slow; try again on a better one, or with a smaller file.",
  429: "The service is busy.",
  500: "Try once more; if it fails again, tell the operator the label below.",
  503: "The service is starting, or full.",
  504: "Allow more time under “More options”.",
};
const RETRIABLE = [0, 408, 429, 500, 503, 504];

/** Show how far a job is. */
export function showProgress({ state, progress }) {
  const steps = Object.entries(progress);
  find("progress").value = steps.filter(([, each]) => each in OUTCOMES).length / steps.length;
  find("steps").replaceChildren(...steps.map(([stage, each]) => {
    const step = make("li", {}, make("span", { className: "stage" }, stage), make("span", { className: "outcome" }, STATES[each] ?? each));
    step.dataset.outcome = each;
    return step;
  }));
  const isNew = state === "running" && find("steps").hidden;
  show({ steps: state === "running" });
  if (isNew) find("working").scrollIntoView({ block: "nearest" }); // it has grown
}

/** Show what the service did. */
export function showReport({ report, image, by }, seconds) {
  const { source, trace } = report;
  const from = `${formatName(source.format)}, ${source.width} × ${source.height} px, ${source.bits} bits`;
  const to = `${formatName(report.content_type.replace("image/", ""))}, ${report.width} × ${report.height} px, ${report.bits} bits, ${size(image.size)}`;
  find("report-facts").replaceChildren(
    make("span", {}, from), " → ", make("span", {}, to), `. ${ORIGINS[by] ?? `Took ${seconds.toFixed(1)} s.`}`,
    report.unchanged ? " Nothing was changed: this is your file, byte for byte." : "");
  const judgement = judgementOf(report.estimates.preprocess ?? {});
  find("report-judgement").textContent = judgement;
  show({ "report-judgement": Boolean(judgement) });
  const longest = Math.max(...Object.values(trace).map((entry) => entry.ms), 1e-9);
  find("report-stages").replaceChildren(...Object.entries(trace).map(([stage, entry]) => stageRow(stage, entry, longest)));
  find("report-dropped").replaceChildren(...report.dropped.map((text) => make("li", {}, `Lost: ${text}`)));
  find("report-json").textContent = JSON.stringify(report, null, 2);
  show({ report: true });
}

/** As in "Judged a damaged, faded print (97 % sure): thorough."; empty where the service does not judge. */
function judgementOf({ kind, confidence, mode, ...found }) {
  if (!kind) return "";
  const flaws = FLAWS.filter((flaw) => found[flaw]).join(", ");
  const what = `${flaws} ${KINDS[kind] ?? kind.replaceAll("_", " ")}`.trim();
  const sure = confidence === undefined ? "" : ` (${Math.round(100 * confidence)} % sure)`;
  return `Judged ${kind === "line_art" ? "" : "a "}${what}${sure}: ${MODES[mode] ?? mode}.`;
}

function stageRow(stage, { outcome, note, ms, tier = "fast" }, longest) {
  const bar = make("span", { className: "bar" }, make("i"));
  bar.firstChild.style.width = `${(100 * ms) / longest}%`;
  const row = make("li", {},
    make("span", { className: "stage" }, stage),
    make("span", { className: "outcome" }, OUTCOMES[outcome] ?? outcome),
    make("span", { className: "note" }, tier === "fast" ? note : `${note}, ${tier} tier`),
    make("span", { className: "time" }, duration(ms)),
    bar);
  row.dataset.outcome = outcome;
  row.dataset.stage = stage;
  return row;
}

/** Show why it did not work. */
export function showProblem({ document: problem, retryAfter }) {
  find("problem-title").textContent = problem.title;
  find("problem-detail").textContent = problem.detail;
  const wait = retryAfter ? ` Try again in ${retryAfter} s.` : "";
  find("problem-advice").textContent = `${ADVICE[problem.status] ?? ""}${wait}`;
  const where = problem.request_id ? `Status ${problem.status}, found by ${problem.stage}. Label for the operator: ` : "";
  find("problem-where").replaceChildren(where, ...(where ? [make("code", {}, problem.request_id)] : []));
  show({ problem: true, again: RETRIABLE.includes(problem.status) });
}
