// How long it will take: by what the last photos took, a stage at a time.

import { album, isBusy } from "./album.js";
import { kept } from "./dom.js";

const KEPT = kept("pace");
/** Seconds a megapixel on two cores, until this service has shown its own; later ones are right from the first photo. */
const SEED = { preprocess: 0.5, denoise: 2, scratch: 3.5, deblur: 15, translate: 2, face: 0.5, upscale: 7, deliver: 0.1 };
/** Options that say what is done, and so how long it takes. */
const WEIGHTY = ["mode", "stages", "strength", "scale", "psf", "deblur_method", "tier", "normalise"];
const NEWEST = 0.5;
const AT_LEAST_MP = 0.1; // smaller pictures take hardly less

const megapixels = ({ width, height }) => Math.max((width * height) / 1e6, AT_LEAST_MP);

/** Note how long the stages took for a photo. */
export function learn(photo, { trace }) {
  if (!photo.width) return;
  const known = read();
  const key = kindOf(photo);
  const before = known[key] ?? {};
  known[key] = Object.fromEntries(Object.entries(trace).map(([stage, { ms }]) => {
    const now = ms / 1000 / megapixels(photo);
    return [stage, stage in before ? NEWEST * now + (1 - NEWEST) * before[stage] : now];
  }));
  localStorage.setItem(KEPT, JSON.stringify(known));
}

/** Seconds until a photo is done, waiting for others included; null: it cannot be told. */
export function secondsLeft(photo) {
  const ahead = album.photos.filter((each) => isBusy(each) && album.photos.indexOf(each) < album.photos.indexOf(photo));
  const own = ownSeconds(photo);
  if (own === null || photo.jobState === "running") return own;
  return ahead.reduce((sum, each) => sum + (ownSeconds(each) ?? 0), own);
}

/** Seconds until all are done; null: it cannot be told of some. */
export function secondsLeftOfAll() {
  const each = album.photos.filter(isBusy).map(ownSeconds);
  return each.includes(null) ? null : each.reduce((sum, own) => sum + own, 0);
}

/** In words, as coarse as it is known. */
export function left(seconds) {
  if (seconds === null) return "";
  if (seconds < 3) return "nearly done";
  if (seconds < 55) return `about ${seconds < 10 ? Math.round(seconds) : 5 * Math.round(seconds / 5)} s left`;
  const minutes = Math.round(seconds / 60);
  return `about ${Math.max(minutes, 1)} min left`;
}

function ownSeconds(photo) {
  if (!photo.width) return null;
  const costs = costsOf(photo);
  const all = sum(Object.values(costs));
  const elapsed = (performance.now() - photo.since) / 1000;
  const isAtWork = photo.jobState === "running" || (photo.status === "sending" && photo.share === 1);
  if (!isAtWork) return all;
  if (!photo.progress) return Math.max(all - elapsed, 0.1 * all);
  const states = Object.entries(photo.progress);
  const done = sum(states.filter(([, state]) => state === "ran" || state === "passed").map(([stage]) => costs[stage] ?? 0));
  const open = sum(states.filter(([, state]) => state === "waiting").map(([stage]) => costs[stage] ?? 0));
  const running = sum(states.filter(([, state]) => state === "running").map(([stage]) => costs[stage] ?? 0));
  const slow = done + running > 0 ? Math.max(1, elapsed / (done + running)) : 1; // slower than known so far
  return slow * (open + Math.min(Math.max(done + running - elapsed / slow, 0.2 * running), running));
}

/** Seconds by stage. */
function costsOf(photo) {
  const query = new URLSearchParams(photo.query);
  const known = read()[kindOf(photo)];
  const named = query.get("stages")?.split(",");
  const works = (stage) => known || !(
    (stage === "deblur" && !query.has("psf") && !named?.includes(stage)) || (stage === "upscale" && !query.has("scale"))
    || (named && ["denoise", "scratch", "translate", "face"].includes(stage) && !named.includes(stage)));
  return Object.fromEntries(Object.entries({ ...SEED, ...known }).map(([stage, cost]) => [stage, works(stage) ? cost * megapixels(photo) : 0]));
}

function kindOf(photo) {
  const query = new URLSearchParams(photo.query);
  return WEIGHTY.map((name) => query.get(name) ?? "").join("&") + (photo.painted ? "&mask" : "");
}

function read() {
  try {
    return JSON.parse(localStorage.getItem(KEPT)) ?? {};
  } catch {
    return {};
  }
}

const sum = (values) => values.reduce((total, value) => total + value, 0);
