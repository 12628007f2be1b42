// Short ways to the document.

export const find = (id) => document.getElementById(id);

/** A name under which this page keeps something in the browser, where others of the same origin keep theirs, too. */
export const kept = (name) => `photorestore ${location.pathname} ${name}`;

/** A new element with properties and children; text stays text. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Where the arrow keys lead, and the space bar, which stays: columns and rows. */
export const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], " ": [0, 0] };

/** Show some elements of the page by id, hide others: `show({report: true, problem: false})`. */
export function show(states) {
  for (const [id, isShown] of Object.entries(states)) find(id).hidden = !isShown;
}

/** Bytes in words. */
export function size(bytes) {
  if (bytes < 1024) return `${bytes} bytes`;
  const [value, unit] = bytes < 2 ** 20 ? [bytes / 1024, "kB"] : [bytes / 2 ** 20, "MB"];
  return `${value.toFixed(value < 10 ? 1 : 0)}\u00a0${unit}`;
}

/** Milliseconds in words. */
export function duration(ms) {
  return ms < 1000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1000).toFixed(ms < 10000 ? 2 : 1)} s`;
}
