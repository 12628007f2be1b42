// What all parts of the page share: this visit's state, and how it is told of.

import { find, show } from "./dom.js";
import { showProblem } from "./report.js";
import { Problem } from "./service.js";

export const state = { key: "", service: null, options: null, photo: null, running: null, result: null };

/** Tell who cannot see the page what happened. */
export const say = (text) => { find("status").textContent = text; };

/** Show a `Problem`, and ask for another key if it is about that; any other error is thrown on. */
export function fail(error) {
  if (!(error instanceof Problem)) throw error;
  if (error.document.status === 401) show({ "key-form": true, "key-wrong": Boolean(state.key) });
  showProblem(error);
}
