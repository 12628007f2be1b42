// The result: shown beside the photo, compared, downloaded.

import { find, show } from "./dom.js";
import { formatName } from "./options.js";
import { showReport } from "./report.js";
import { say, state } from "./session.js";

/** Show a result, as `restore` of `service.js` gives it, that took so many seconds. */
export async function showResult(result, seconds) {
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

/** Show the photo alone again. */
export function forgetResult() {
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

/** Give the view the shape of a picture. */
export function layOut(width, height) {
  find("view").style.setProperty("--width", width || 1);
  find("view").style.setProperty("--height", height || 1);
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
