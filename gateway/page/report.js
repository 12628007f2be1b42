// Below the photo: how far it is, what was done, or what went wrong.

import { album, isBusy, watch } from "./album.js";
import { duration, find, make, show, size } from "./dom.js";
import { formatName } from "./options.js";
import { left, secondsLeft } from "./pace.js";
import { explain, isRetriable, judgement, suggestion, whatWasDone } from "./sentences.js";
import { session } from "./session.js";

const OUTCOMES = { ran: "worked", passed: "passed", failed: "failed" };
const STATES = { ...OUTCOMES, waiting: "", running: "at work" };
const ORIGINS = { shared: "Shared with an identical request.", kept: "From the results that the service keeps." };

/** A photo's progress in words, as "Restoring, 12 s, about 20 s left". */
export function progressText(photo) {
  const { status, share, jobState, since } = photo;
  if (status === "queued") return `Waiting to be sent${timeLeft(photo)}`;
  if (status === "sending" && share < 1) return `Sending, ${Math.round(100 * share)} %`;
  const seconds = Math.round((performance.now() - since) / 1000);
  return `${jobState === "queued" ? "Waiting for its turn" : "Restoring"}, ${seconds} s${timeLeft(photo)}`;
}

function timeLeft(photo) {
  const text = left(secondsLeft(photo));
  return text && `, ${text}`;
}

function showProgress(photo) {
  const steps = Object.entries(photo.progress ?? {});
  const isStepping = photo.jobState === "running" && steps.length > 0;
  if (photo.status === "sending" && photo.share < 1) find("progress").value = photo.share;
  else if (isStepping) find("progress").value = steps.filter(([, each]) => each in OUTCOMES).length / steps.length;
  else find("progress").removeAttribute("value"); // how long it takes is not known
  find("progress-text").textContent = progressText(photo);
  find("steps").replaceChildren(...steps.map(([stage, each]) => {
    const step = make("li", {}, make("span", { className: "stage" }, labelOf(stage)), make("span", { className: "outcome" }, STATES[each] ?? each));
    Object.assign(step.dataset, { outcome: each, stage });
    return step;
  }));
  show({ steps: isStepping });
}

const labelOf = (stage) => session.service?.stages.find(({ name }) => name === stage)?.label ?? stage;

function showReport(photo) {
  const { report, image, by } = photo.result;
  const { source, trace } = report;
  find("report-title").textContent = whatWasDone(photo);
  const next = suggestion(photo);
  find("suggestion").textContent = next?.text ?? "";
  show({ suggestion: Boolean(next), "nothing-found": Boolean(next) });
  const from = `${formatName(source.format)}, ${source.width} × ${source.height} px, ${source.bits} bits`;
  const to = `${formatName(report.content_type.replace("image/", ""))}, ${report.width} × ${report.height} px, ${report.bits} bits, ${size(image.size)}`;
  find("report-facts").replaceChildren(
    make("span", {}, from), " → ", make("span", {}, to), `. ${ORIGINS[by] ?? `Took ${duration(workedMs(report))}.`}`,
    report.unchanged ? " Nothing was changed: this is your file, byte for byte." : "");
  const judged = judgement(report.estimates.preprocess ?? {});
  find("report-judgement").textContent = judged;
  show({ "report-judgement": Boolean(judged) });
  const longest = Math.max(...Object.values(trace).map((entry) => entry.ms), 1e-9);
  find("report-stages").replaceChildren(...Object.entries(trace).map(([stage, entry]) => stageRow(stage, entry, longest)));
  find("report-dropped").replaceChildren(...report.dropped.map((text) => make("li", {}, `Lost: ${text}`)));
  find("report-json").textContent = JSON.stringify(report, null, 2);
}

/** From the beginning of the first stage to the end of the last. */
function workedMs({ trace }) {
  const stages = Object.values(trace);
  const first = Math.min(...stages.map(({ began }) => began ?? 0));
  return Math.max(...stages.map(({ began, ms }) => ((began ?? first) - first) * 1000 + ms));
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
  Object.assign(row.dataset, { outcome, stage });
  return row;
}

function showProblem(problem) {
  const { headline, advice } = explain(problem);
  find("problem-title").textContent = headline;
  find("problem-detail").textContent = problem.detail;
  find("problem-advice").textContent = advice;
  const where = problem.request_id ? `${problem.title}: ${problem.status}, found by ${problem.stage}. Label for the operator: ` : "";
  find("problem-where").replaceChildren(where, ...(where ? [make("code", {}, problem.request_id)] : []));
  show({ problem: true, again: isRetriable(problem) });
}

let shown = {};

function update() {
  const photo = album.selected;
  show({ working: Boolean(photo && isBusy(photo)), report: photo?.status === "done" });
  if (photo && isBusy(photo)) showProgress(photo);
  if (photo?.result && photo.result !== shown.result) {
    showReport(photo);
    find("details").open = false;
  }
  const problem = photo?.problem ?? session.problem;
  if (problem && problem !== shown.problem) showProblem(problem);
  show({ problem: Boolean(problem) });
  shown = { result: photo?.result, problem };
}

watch((photo) => { if (!photo || photo === album.selected) update(); });
setInterval(() => { if (album.selected && isBusy(album.selected)) update(); }, 1000);
