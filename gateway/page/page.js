// The page: choose a photo, say how, restore, compare, download. Its parts lie in modules beside this one; here it is
// connected to the service.

import { find, show, size } from "./dom.js";
import { Options, formatName } from "./options.js";
import { automaticFormat } from "./photo.js";
import { run } from "./restoration.js";
import { describe } from "./service.js";
import { fail, state } from "./session.js";

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
find("again").addEventListener("click", () => (state.service ? run() : connect()));

connect();
