// One restoration: begun, waited for, cancelled.

import { find, show } from "./dom.js";
import { mask, updatePainting } from "./painting.js";
import { automaticFormat } from "./photo.js";
import { showProgress } from "./report.js";
import { forgetResult, showResult } from "./result.js";
import { Problem, restore, restoreAsJob } from "./service.js";
import { fail, say, state } from "./session.js";

/** Results of up to so many pixels are waited for; larger ones are jobs, which show how far they are. */
const QUICK_PX = 1e6;

/** Restore the photo as the form says, and show the result or the problem. */
export async function run() {
  if (!state.photo || state.running || !find("form").reportValidity()) return;
  const query = state.options.query();
  if (!query.has("format") && automaticFormat()) query.set("format", automaticFormat());
  let painted = null;
  if (!mask.isEmpty && !(painted = await mask.toBlob())) {
    fail(new Problem({ title: "Too large to paint on", status: 413, detail: "This browser cannot make a mask of this size." }));
    return;
  }
  forgetResult();
  const start = performance.now();
  const request = { picture: state.photo.file, mask: painted, query, key: state.key };
  const isJob = state.service.jobs && !isQuick(query);
  state.running = isJob ? restoreAsJob(request, showUpload, showJob) : restore(request, showUpload);
  const clock = setInterval(showWaiting, 1000);
  setWorking(true);
  try {
    const result = await state.running.promise;
    if (result) await showResult(result, (performance.now() - start) / 1000);
    else say("Cancelled.");
  } catch (error) {
    fail(error);
  } finally {
    clearInterval(clock);
    state.running = null;
    setWorking(false);
  }
  const news = find(state.result ? "frame" : "problem");
  if (!news.hidden) news.scrollIntoView({ block: "nearest" }); // on a phone it is elsewhere than the button
}

function isQuick(query) {
  const { isShown, width, height } = state.photo;
  return isShown && width * height * (query.get("scale") ?? 1) ** 2 <= QUICK_PX;
}

function showUpload(share) {
  state.running.waitingSince = share < 1 ? null : performance.now();
  if (share < 1) {
    find("progress").value = share;
    find("progress-text").textContent = `Sending, ${Math.round(100 * share)} %`;
  } else showWaiting();
}

function showJob(job) {
  if (!state.running) return;
  state.running.job = job;
  showWaiting();
}

function showWaiting() {
  const { waitingSince, job } = state.running ?? {};
  if (!waitingSince) return;
  if (job) showProgress(job);
  else find("progress").removeAttribute("value"); // how long the stages take is not known
  const what = job?.state === "queued" ? "Waiting for its turn" : "Restoring";
  find("progress-text").textContent = `${what}, ${Math.round((performance.now() - waitingSince) / 1000)} s`;
}

function setWorking(isWorking) {
  document.body.dataset.state = isWorking ? "working" : state.result ? "done" : "chosen";
  find("fields").disabled = find("paint-start").disabled = find("file").disabled = isWorking;
  find("progress").value = 0;
  find("progress-text").textContent = "Sending";
  show({ working: isWorking, steps: false, restore: !isWorking });
  if (isWorking) {
    show({ problem: false });
    say("Restoring.");
    find("cancel").focus({ preventScroll: true });
  } else find(state.result && !find("slider").hidden ? "slider" : "restore").focus({ preventScroll: true });
  updatePainting();
}

find("form").addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
find("form").addEventListener("invalid", () => { find("more").open = true; }, true);
find("cancel").addEventListener("click", () => state.running?.cancel());
addEventListener("pagehide", () => state.running?.cancel());
