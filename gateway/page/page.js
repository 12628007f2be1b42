// The page: choose a photo, say how, restore, compare, download.

import { find, show, size } from "./dom.js";
import { Mask } from "./mask.js";
import { Options, formatName } from "./options.js";
import { showProblem, showProgress, showReport } from "./report.js";
import { Problem, describe, restore, restoreAsJob } from "./service.js";

const LIKE = { "image/png": "png", "image/tiff": "png", "image/bmp": "png", "image/gif": "png", "image/webp": "webp", "image/avif": "avif" };
/** Formats to save in that lose as little as the photo's own, and that browsers show; JPEG for all others. */
const LARGEST_MASK_PX = 16_384 * 16_384;
const QUICK_PX = 1e6;
/** Results of up to so many pixels are waited for; larger ones are jobs, which show how far they are. */

const state = { key: "", service: null, options: null, photo: null, running: null };
const mask = new Mask(find("paint"), find("brush"), () => Number(find("brush-size").value), updatePainting);

// The service

async function connect() {
  try {
    state.service = await describe(state.key);
  } catch (problem) {
    if (problem.document?.status !== 401) return fail(problem);
    show({ "key-form": true, "key-wrong": Boolean(state.key), form: false });
    return find("key").focus();
  }
  const { stages, options, formats, limits, version } = state.service;
  if (!stages.some((stage) => stage.tiers.length > 1)) delete options.tier; // there is nothing to choose
  state.options = new Options(options, stages, find("main-options"), find("more-options"));
  state.options.setAutomaticFormat(state.photo && automaticFormat());
  find("accepted").textContent = `${formats.read.map(formatName).join(", ")}; up to ${size(limits.upload_bytes)}, ${Math.round(limits.pixels / 1e6)} megapixels`;
  find("version").textContent = `photorestore ${version}`;
  show({ "key-form": false, "key-wrong": false, form: true, problem: false });
}

find("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  state.key = find("key").value.trim();
  connect();
});

function fail(error) {
  if (!(error instanceof Problem)) throw error;
  if (error.document.status === 401) show({ "key-form": true, "key-wrong": Boolean(state.key) });
  showProblem(error);
}

// The photo

async function choose(file) {
  if (!file || state.running) return;
  forgetResult();
  show({ problem: false });
  const limit = state.service?.limits.upload_bytes ?? Infinity;
  if (file.size > limit) {
    fail(new Problem({ title: "Too large", status: 413, detail: `${file.name} has ${size(file.size)}; up to ${size(limit)} are taken.` }));
    return;
  }
  state.photo = { file, width: 0, height: 0 };
  mask.reset(0, 0);
  const before = find("before");
  URL.revokeObjectURL(before.src);
  before.src = URL.createObjectURL(file);
  const isShown = await before.decode().then(() => true, () => false);
  if (state.photo.file !== file) return;
  Object.assign(state.photo, { isShown, width: isShown ? before.naturalWidth : 0, height: isShown ? before.naturalHeight : 0 });
  mask.reset(state.photo.width, state.photo.height);
  layOut(state.photo.width, state.photo.height);
  find("name").textContent = `${file.name}, ${size(file.size)}`;
  find("blank").textContent = "This browser cannot show such a file. The service may well read it.";
  show({ drop: false, frame: true, tools: true, view: isShown, before: isShown, blank: !isShown, "paint-start": isShown && !isTooLargeToPaint() });
  find("restore").disabled = false;
  state.options?.setAutomaticFormat(automaticFormat());
  document.body.dataset.state = "chosen";
  updatePainting();
}

const isTooLargeToPaint = () => state.photo.width * state.photo.height > LARGEST_MASK_PX;
const automaticFormat = () => {
  const name = LIKE[state.photo.file.type] ?? "jpeg";
  return state.options.formats.includes(name) ? name : null;
};

function layOut(width, height) {
  find("view").style.setProperty("--width", width || 1);
  find("view").style.setProperty("--height", height || 1);
}

find("file").addEventListener("change", (event) => {
  choose(event.target.files[0]);
  event.target.value = ""; // the same file may be chosen again
});
document.addEventListener("paste", (event) => choose(event.clipboardData.files[0]));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dragging");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("dragging");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  choose(event.dataTransfer.files[0]);
});

// Painting

function setPainting(isPainting) {
  find("paint-start").setAttribute("aria-pressed", isPainting);
  if (isPainting) forgetResult();
  updatePainting();
}

function updatePainting() {
  const isPainting = find("paint-start").getAttribute("aria-pressed") === "true";
  const isVisible = Boolean(state.photo?.isShown) && !state.result && (isPainting || !mask.isEmpty);
  show({ paint: isVisible, "paint-tools": isPainting, "paint-hint": isVisible });
  find("paint").classList.toggle("active", isPainting && !state.running);
  find("undo").disabled = find("clear").disabled = mask.isEmpty;
  mask.draw();
}

find("paint-start").addEventListener("click", (event) => setPainting(event.currentTarget.getAttribute("aria-pressed") !== "true"));
find("undo").addEventListener("click", () => mask.undo());
find("clear").addEventListener("click", () => mask.clear());
document.addEventListener("keydown", (event) => {
  if (event.key === "z" && (event.ctrlKey || event.metaKey) && !mask.isEmpty && !find("paint").hidden) mask.undo();
});

// The restoration

find("form").addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
find("form").addEventListener("invalid", () => { find("more").open = true; }, true);
find("again").addEventListener("click", () => (state.service ? run() : connect()));
find("cancel").addEventListener("click", () => state.running?.cancel());
addEventListener("pagehide", () => state.running?.cancel());

const isQuick = (query) => {
  const { isShown, width, height } = state.photo;
  return isShown && width * height * (query.get("scale") ?? 1) ** 2 <= QUICK_PX;
};

async function run() {
  if (!state.photo || state.running || !find("form").reportValidity()) return;
  const { file } = state.photo;
  const query = state.options.query();
  if (!query.has("format") && automaticFormat()) query.set("format", automaticFormat());
  let painted = null;
  if (!mask.isEmpty && !(painted = await mask.toBlob())) {
    fail(new Problem({ title: "Too large to paint on", status: 413, detail: "This browser cannot make a mask of this size." }));
    return;
  }
  forgetResult();
  const start = performance.now();
  const request = { picture: file, mask: painted, query, key: state.key };
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

const say = (text) => { find("status").textContent = text; };

// The result

async function showResult(result, seconds) {
  state.result = result;
  find("paint-start").setAttribute("aria-pressed", false);
  const url = URL.createObjectURL(result.image);
  const after = find("after");
  after.src = url;
  const isShown = await after.decode().then(() => true, () => false);
  const isCompared = isShown && state.photo.isShown;
  const kind = result.report.content_type.replace("image/", "");
  Object.assign(find("download"), { href: url, download: resultName(state.photo.file.name, kind) });
  if (isShown) layOut(after.naturalWidth, after.naturalHeight);
  find("blank").textContent = isShown
    ? "This browser cannot show the original, so there is nothing to compare with."
    : `This browser cannot show ${formatName(kind)}. The file is complete: download it.`;
  const hasFilled = isShown && result.report.estimates.translate?.filled > 0;
  if (hasFilled) find("filled").style.setProperty("--filled", `url("${state.filledUrl = URL.createObjectURL(result.mask)}")`);
  show({
    view: isShown || state.photo.isShown, before: state.photo.isShown, after: isShown, blank: !isCompared,
    slider: isCompared, line: isCompared, ends: isCompared, download: true, actual: isShown, "filled-show": hasFilled,
  });
  slide(50);
  showReport(result, seconds);
  say(`Restored in ${seconds.toFixed(1)} seconds.`);
  document.body.dataset.state = "done";
}

function forgetResult() {
  if (!state.result) return;
  state.result = null;
  for (const url of [find("after").src, state.filledUrl]) URL.revokeObjectURL(url);
  find("after").removeAttribute("src");
  setFilledShown(false);
  setActual(false);
  layOut(state.photo.width, state.photo.height);
  find("view").style.removeProperty("--part");
  show({
    after: false, slider: false, line: false, ends: false, download: false, actual: false, "filled-show": false, report: false,
    blank: !state.photo.isShown, view: state.photo.isShown,
  });
}

const resultName = (name, kind) => `${name.replace(/\.[^.]*$/, "") || "photo"}-restored.${kind === "jpeg" ? "jpg" : kind}`;

function slide(percent) {
  find("slider").value = percent;
  find("slider").setAttribute("aria-valuetext", `${percent} % original`);
  find("view").style.setProperty("--part", `${percent}%`);
}

function setFilledShown(isShown) {
  find("filled-show").setAttribute("aria-pressed", isShown);
  show({ filled: isShown });
}

function setActual(isActual) {
  find("actual").setAttribute("aria-pressed", isActual);
  find("view").classList.toggle("actual", isActual);
}

const isPressed = (event) => event.currentTarget.getAttribute("aria-pressed") === "true";
find("slider").addEventListener("input", (event) => slide(event.target.valueAsNumber));
find("filled-show").addEventListener("click", (event) => setFilledShown(!isPressed(event)));
find("actual").addEventListener("click", (event) => setActual(!isPressed(event)));

connect();
