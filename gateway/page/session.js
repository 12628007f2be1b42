// What all parts of the page share: what is known of the service, and the key to it.

import { find, kept, show } from "./dom.js";

const KEY = kept("key");

export const session = {
  /** What `GET v1/stages` said; null before. */
  service: null,
  /** Why the service could not be reached when it was asked last: a problem document, or null. */
  problem: null,
  /** The form, an `Options`; null before the service is known. */
  options: null,
  /** Kept until the tab is closed, so that jobs go on after a reload. */
  get key() { return sessionStorage.getItem(KEY) ?? ""; },
  set key(value) { sessionStorage.setItem(KEY, value); },
};

/** Tell who cannot see the page what happened. */
export const say = (text) => { find("status").textContent = text; };

/** Ask for a key; `isWrong`: the one that was given is not known. */
export function askForKey(isWrong) {
  show({ "key-form": true, "key-wrong": isWrong });
}
