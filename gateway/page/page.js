// The page: choose photos, say how, restore, compare, download. Its parts lie in modules beside this one; here it is
// connected to the service.

import "./actions.js";
import { album, recall, refresh, watch } from "./album.js";
import { find, show, size } from "./dom.js";
import "./download.js";
import "./easel.js";
import { Options, formatName } from "./options.js";
import "./painting.js";
import "./points.js";
import { automaticFormat, measure } from "./photo.js";
import "./report.js";
import { resume } from "./restoration.js";
import { Problem, describe } from "./service.js";
import { askForKey, session } from "./session.js";
import "./strip.js";

async function connect() {
  try {
    session.service = await describe(session.key);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    session.problem = problem.document.status === 401 ? null : problem.document;
    if (session.problem) return refresh();
    askForKey(Boolean(session.key));
    show({ form: false });
    return find("key").focus();
  }
  const { stages, options, formats, limits, version } = session.service;
  if (!stages.some((stage) => stage.tiers.length > 1)) delete options.tier; // there is nothing to choose
  session.problem = null;
  session.options = new Options(options, stages, find("main-options"), find("more-options"));
  find("accepted").textContent = `${formats.read.map(formatName).join(", ")}; up to ${size(limits.upload_bytes)}, ${Math.round(limits.pixels / 1e6)} megapixels each`;
  find("version").textContent = `photorestore ${version}`;
  show({ "key-form": false, "key-wrong": false, form: true });
  refresh();
  resume();
}

function nameFormat() {
  session.options?.setAutomaticFormat(album.selected && automaticFormat(album.selected));
}

find("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  session.key = find("key").value.trim();
  connect();
});
find("again").addEventListener("click", () => { if (!session.service) connect(); });
watch((photo) => { if (!photo) nameFormat(); });

await connect();
const recalled = await recall();
recalled.filter(({ isShown }) => isShown === null).forEach(measure); // the page was left before it was known
if (session.service) resume();
