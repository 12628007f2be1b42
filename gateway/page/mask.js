// Painting what is to be filled, over the picture.

/** Strokes on a canvas above the picture, kept in the picture's own pixels. */
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
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => this.#end());
    canvas.addEventListener("pointerleave", () => { brush.hidden = true; });
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  /** Begin anew, for a picture of this size. */
  reset(width, height) {
    Object.assign(this, { width, height, strokes: [], stroke: null });
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
    this.reset(this.width, this.height);
    this.onChange();
  }

  /** A PNG of the picture's size, white where it was painted; null where this browser cannot make one. */
  toBlob() {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [this.width, this.height];
    const context = canvas.getContext("2d");
    context.fillRect(0, 0, canvas.width, canvas.height);
    this.#paint(context, "#fff");
    return new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); });
  }

  draw() {
    const { canvas } = this;
    const box = canvas.getBoundingClientRect();
    if (!box.width || !this.width) return;
    [canvas.width, canvas.height] = [box.width * devicePixelRatio, box.height * devicePixelRatio].map(Math.round);
    const context = canvas.getContext("2d");
    context.scale(canvas.width / this.width, canvas.height / this.height);
    this.#paint(context, getComputedStyle(canvas).color);
  }

  #paint(context, colour) {
    Object.assign(context, { strokeStyle: colour, lineCap: "round", lineJoin: "round" });
    for (const { points, width } of this.strokes) {
      context.lineWidth = width;
      context.beginPath();
      context.moveTo(...points[0]);
      for (const point of points) context.lineTo(...point); // the first one again makes a dot of a click
      context.stroke();
    }
  }

  #begin(event) {
    if (event.button !== 0 || !event.isPrimary) return;
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    const width = this.brushPx() * this.width / this.canvas.getBoundingClientRect().width;
    this.stroke = { width, points: [this.#point(event)] };
    this.strokes.push(this.stroke);
    this.draw();
  }

  #move(event) {
    const box = this.canvas.getBoundingClientRect();
    const px = this.brushPx();
    this.brush.hidden = event.pointerType === "touch";
    Object.assign(this.brush.style, {
      width: `${px}px`, height: `${px}px`, left: `${event.clientX - box.left}px`, top: `${event.clientY - box.top}px`,
    });
    if (!this.stroke) return;
    for (const each of event.getCoalescedEvents?.() ?? [event]) this.stroke.points.push(this.#point(each));
    this.draw();
  }

  #end() {
    if (!this.stroke) return;
    this.stroke = null;
    this.onChange();
  }

  #point(event) {
    const box = this.canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * this.width / box.width, (event.clientY - box.top) * this.height / box.height];
  }
}
