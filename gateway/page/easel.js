// The photo that is looked at: as it is, and as it was restored.

import { album, isBusy, watch } from "./album.js";
import { find, show, size } from "./dom.js";
import { formatName } from "./options.js";
import { askForPreview } from "./photo.js";
import { Viewer } from "./viewer.js";

export const viewer = new Viewer(find("window"), find("view"), find("slider"), showZoom);
const urls = { before: null, after: null, filled: null };
let shape = "";

/** The address of a Blob for one of the `urls`; the one before is given up. */
function address(name, blob) {
  if (urls[name]?.blob === blob) return urls[name]?.url;
  if (urls[name]) URL.revokeObjectURL(urls[name].url);
  urls[name] = blob && { blob, url: URL.createObjectURL(blob) };
  return urls[name]?.url;
}

async function update() {
  const photo = album.selected;
  show({ drop: !photo, sample: !photo, frame: Boolean(photo), tools: Boolean(photo) });
  if (!photo || photo.isShown === null) {
    if (!photo) document.body.dataset.state = "empty";
    return;
  }
  const { result } = photo;
  const [before, after] = [find("before"), find("after")];
  setSource(before, photo.isShown ? address("before", photo.preview ?? photo.file) : null);
  setSource(after, result ? address("after", result.image) : address("after", null));
  const isResultShown = Boolean(result) && await after.decode().then(() => true, () => false);
  if (album.selected !== photo || photo.result !== result) return; // overtaken
  layOut(photo, isResultShown);
  const isCompared = isResultShown && photo.isShown;
  find("blank").textContent = whyBlank(photo, isResultShown);
  const hasFilled = isResultShown && result.report.estimates.translate?.filled > 0;
  find("filled").style.setProperty("--filled", `url("${address("filled", hasFilled ? result.mask : null) ?? ""}")`);
  if (!hasFilled) setFilledShown(false);
  show({
    window: isResultShown || photo.isShown, before: photo.isShown, after: isResultShown, blank: !(photo.isShown && (isResultShown || !result)),
    preview: !photo.isShown && !photo.result && !isBusy(photo) && photo.status !== "failed", slider: isCompared, line: isCompared, ends: isCompared,
    zoom: isResultShown || photo.isShown, "filled-show": hasFilled,
  });
  find("name").textContent = `${photo.name}, ${size(photo.file.size)}`;
  viewer.zoomBy(0); // the slider may have appeared
  document.body.dataset.state = isBusy(photo) ? "working" : photo.status;
}

function setSource(image, url) {
  if (!url) image.removeAttribute("src");
  else if (image.src !== url) image.src = url;
}

/** Give the window the shape of the photo, or of the result where that alone is shown. */
function layOut(photo, isResultShown) {
  const after = find("after");
  const [width, height] = isResultShown ? [after.naturalWidth, after.naturalHeight] : [photo.width, photo.height];
  const now = `${photo.id} ${width} ${height} ${isResultShown}`;
  if (now !== shape) viewer.reset(width, height);
  shape = now;
}

function whyBlank(photo, isResultShown) {
  const kind = photo.name.includes(".") ? `${photo.name.split(".").at(-1).toUpperCase()} files` : "such a file";
  if (!photo.result) return `This browser cannot show ${kind}.${photo.status === "failed" ? "" : " The service may well read it."}`;
  if (!isResultShown) return `This browser cannot show ${formatName(photo.result.report.content_type.replace("image/", ""))}. The file is complete: download it.`;
  return "This browser cannot show the original, so there is nothing to compare with.";
}

function showZoom(scale) {
  find("zoom-out").disabled = find("zoom-fit").disabled = scale === 1;
  find("zoom-level").textContent = `× ${scale.toFixed(1)}`;
  clearTimeout(showZoom.later);
  showZoom.later = setTimeout(() => find("view").dispatchEvent(new CustomEvent("zoomed")), 100);
}

function setFilledShown(isShown) {
  find("filled-show").setAttribute("aria-pressed", isShown);
  show({ filled: isShown });
}

find("zoom-in").addEventListener("click", () => viewer.zoomBy(2));
find("zoom-out").addEventListener("click", () => viewer.zoomBy(-2));
find("zoom-fit").addEventListener("click", () => {
  viewer.fit();
  find("zoom-in").focus(); // this button can do nothing now
});
find("filled-show").addEventListener("click", (event) => setFilledShown(event.currentTarget.getAttribute("aria-pressed") !== "true"));
find("preview").addEventListener("click", () => {
  show({ preview: false });
  askForPreview(album.selected);
});
watch((photo) => { if (!photo || photo === album.selected) update(); });
