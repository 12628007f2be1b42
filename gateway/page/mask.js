// Painting what is to be filled, over the picture.

import { STEPS } from "./dom.js";

const LARGEST_PX = 4096;

/** Strokes on a canvas above a photo, kept in the photo's own pixels. */
export class Mask {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {HTMLElement} brush a ring that follows the pointer
   * @param {() => number} brushPx the brush's width on the screen
   * @param {() => void} onChange called after each stroke
   */
  constructor(canvas, brush, brushPx, onChange) {
    Object.assign(this, { canvas, brush, brushPx, onChange, strokes: [], width: 0, height: 0 });
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel", "blur"]) canvas.addEventListener(name, () => this.#end());
    for (const name of ["pointerleave", "blur"]) canvas.addEventListener(name, () => { brush.hidden = true; });
    canvas.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  /** Go on with what was painted on a picture of this size. */
  open({ width, height, strokes }) {
    Object.assign(this, { width, height, strokes: [...strokes], stroke: null, at: [width / 2, height / 2] });
    this.draw();
  }

  get isEmpty() {
    return this.strokes.length === 0;
  }

  undo() {
    this.strokes.pop();
    this.draw();
    this.onChange();
  }

  clear() {
    this.strokes = [];
    this.draw();
    this.onChange();
  }

  /** A PNG of a photo's size, white where it was painted on; null where this browser cannot make one. */
  static toBlob({ width, height, strokes }) {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width, height];
    const context = canvas.getContext("2d");
    context.fillRect(0, 0, width, height);
    paint(context, strokes, "#fff");
    return new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); });
  }

  draw() {
    const { canvas } = this;
    const box = canvas.getBoundingClientRect();
    if (!box.width || !this.width) return;
    const density = Math.min(devicePixelRatio, LARGEST_PX / Math.max(box.width, box.height));
    [canvas.width, canvas.height] = [box.width * density, box.height * density].map(Math.round);
    const context = canvas.getContext("2d");
    context.scale(canvas.width / this.width, canvas.height / this.height);
    paint(context, this.strokes, getComputedStyle(canvas).color);
  }

  #begin(event) {
    if (event.button !== 0) return;
    if (!event.isPrimary) return this.#drop(); // two fingers zoom
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    this.#start(this.#point(event));
  }

  #start(point) {
    this.stroke = { width: this.#brushWidth(), points: [point] };
    this.strokes.push(this.stroke);
    this.draw();
  }

  #move(event) {
    this.#showBrush(this.#point(event));
    if (event.pointerType === "touch") this.brush.hidden = true;
    if (!this.stroke) return;
    for (const each of event.getCoalescedEvents?.() ?? [event]) this.stroke.points.push(this.#point(each));
    this.draw();
  }

  #drop() {
    if (this.stroke) this.strokes.pop();
    this.stroke = null;
    this.draw();
  }

  #end() {
    if (!this.stroke) return;
    this.stroke = null;
    this.onChange();
  }

  /** Arrows move the brush by half its width; space puts it down and lifts it. */
  #key(event) {
    const move = STEPS[event.key];
    if (!move || event.shiftKey) return;
    event.preventDefault();
    const step = this.#brushWidth() / 2;
    const within = (value, limit) => Math.min(Math.max(value, 0), limit);
    this.at = [within(this.at[0] + step * move[0], this.width), within(this.at[1] + step * move[1], this.height)];
    this.#showBrush(this.at);
    if (event.key !== " ") {
      this.stroke?.points.push(this.at);
      this.draw();
    } else if (this.stroke) this.#end();
    else this.#start(this.at);
  }

  #showBrush([x, y]) {
    const width = `calc(${this.brushPx()}px / var(--zoom, 1))`;
    const [left, top] = [`${(100 * x) / this.width}%`, `${(100 * y) / this.height}%`];
    Object.assign(this.brush.style, { width, height: width, left, top });
    this.brush.hidden = false;
  }

  /** In the picture's pixels. */
  #brushWidth() {
    return this.brushPx() * this.width / this.canvas.getBoundingClientRect().width;
  }

  #point(event) {
    const box = this.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * this.width / box.width, (event.clientY - box.top) * this.height / box.height];
  }
}

function paint(context, strokes, colour) {
  Object.assign(context, { strokeStyle: colour, lineCap: "round", lineJoin: "round" });
  for (const { points, width } of strokes) {
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(...points[0]);
    for (const point of points) context.lineTo(...point); // the first one again makes a dot of a click
    context.stroke();
  }
}
