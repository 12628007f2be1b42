// Zooming and comparing: the picture moves below a line that stays where it is on the screen.

const STEP = 1.25;
const PAN_PX = 60;
const GRIP_PX = 24;

/** A window on the picture: wheel, pinch, buttons and keys zoom about a point, dragging moves the picture or the line. */
export class Viewer {
  /**
   * @param {HTMLElement} frame what is always in sight
   * @param {HTMLElement} view the picture, which is zoomed and moved inside
   * @param {HTMLInputElement} slider where the line is, in percent; hidden: there is nothing to compare
   * @param {(scale: number) => void} onChange called after each change
   */
  constructor(frame, view, slider, onChange) {
    Object.assign(this, { frame, view, slider, onChange, tools: new Set(), pointers: new Map(), pixels: 1 });
    frame.addEventListener("pointerdown", (event) => this.#down(event));
    frame.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) frame.addEventListener(name, (event) => this.#up(event));
    frame.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    frame.addEventListener("keydown", (event) => this.#key(event));
    frame.addEventListener("dblclick", (event) => { if (!this.tools.size) this.zoomTo(this.scale > 1 ? 1 : Math.max(this.actual, 2), event.clientX, event.clientY); });
    slider.addEventListener("input", () => this.#draw());
    new ResizeObserver(() => this.#settle(this.scale, this.x, this.y)).observe(frame);
    this.fit();
  }

  /** Show a picture of this size whole, with the line in the middle. */
  reset(width, height) {
    this.pixels = width;
    this.frame.style.setProperty("--width", width || 1);
    this.frame.style.setProperty("--height", height || 1);
    this.slider.value = 50;
    this.fit();
  }

  fit() {
    this.#settle(1, 0, 0);
  }

  /** Say whether a tool works on the picture: while one does, pressing and dragging are its own. */
  use(tool, isUsed) {
    if (isUsed) this.tools.add(tool);
    else this.tools.delete(tool);
  }

  /** The scale at which a pixel of the picture is one of the screen. */
  get actual() {
    return Math.max(this.pixels / (this.frame.clientWidth || 1), 1);
  }

  /** Zoom so that the point at these coordinates, by default the middle, stays or comes to others. */
  zoomTo(scale, clientX, clientY, toX = clientX, toY = clientY) {
    const box = this.frame.getBoundingClientRect();
    const [middleX, middleY] = [box.left + box.width / 2, box.top + box.height / 2];
    const [x, y] = [(clientX ?? middleX) - box.left, (clientY ?? middleY) - box.top];
    const next = Math.min(Math.max(scale, 1), Math.max(8, 4 * this.actual));
    const by = next / this.scale;
    this.#settle(next, (toX ?? middleX) - box.left - by * (x - this.x), (toY ?? middleY) - box.top - by * (y - this.y));
  }

  zoomBy(steps) {
    this.zoomTo(this.scale * STEP ** steps);
  }

  #settle(scale, x, y) {
    const [width, height] = [this.frame.clientWidth, this.frame.clientHeight];
    const within = (value, length) => Math.min(Math.max(value, length * (1 - scale)), 0);
    Object.assign(this, { scale, x: within(x, width), y: within(y, height) });
    this.#draw();
  }

  #draw() {
    const percent = this.slider.valueAsNumber;
    this.slider.setAttribute("aria-valuetext", `${percent} % original`);
    this.frame.style.setProperty("--part", `${percent}%`);
    this.view.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
    this.view.style.setProperty("--zoom", this.scale);
    const shift = this.frame.clientWidth ? (100 * this.x) / this.frame.clientWidth : 0;
    this.view.style.setProperty("--part", `${Math.min(Math.max((percent - shift) / this.scale, 0), 100)}%`);
    this.frame.classList.toggle("zoomed", this.scale > 1);
    this.onChange(this.scale);
  }

  #down(event) {
    if (event.button !== 0) return;
    this.pointers.set(event.pointerId, event);
    if (this.pointers.size === 1) this.grip = this.#gripOf(event);
    else this.grip = "pinch";
    if (!this.grip) return;
    this.frame.setPointerCapture(event.pointerId);
    if (this.grip === "line") this.#slideTo(event);
  }

  /** What a pointer moves: the line where it is near, or where nothing else can move; else the picture. */
  #gripOf(event) {
    if (this.tools.size) return null;
    const box = this.frame.getBoundingClientRect();
    const isNear = Math.abs(event.clientX - box.left - (box.width * this.slider.valueAsNumber) / 100) < GRIP_PX;
    if (!this.slider.hidden && (isNear || this.scale === 1)) return "line";
    return this.scale > 1 ? "picture" : null;
  }

  #move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    if (this.grip === "line") this.#slideTo(event);
    else if (this.grip === "picture") this.#settle(this.scale, this.x + event.clientX - before.clientX, this.y + event.clientY - before.clientY);
    else if (this.grip === "pinch" && this.pointers.size === 2) this.#pinch(before, event);
    this.pointers.set(event.pointerId, event);
  }

  /** What lies below both fingers stays below them. */
  #pinch(before, event) {
    const [other] = [...this.pointers.values()].filter(({ pointerId }) => pointerId !== event.pointerId);
    const [was, is] = [before, event].map((each) => ({
      distance: Math.hypot(each.clientX - other.clientX, each.clientY - other.clientY) || 1,
      x: (each.clientX + other.clientX) / 2,
      y: (each.clientY + other.clientY) / 2,
    }));
    this.zoomTo((this.scale * is.distance) / was.distance, was.x, was.y, is.x, is.y);
  }

  #up(event) {
    this.pointers.delete(event.pointerId);
    this.grip = this.pointers.size === 1 && !this.tools.size && this.scale > 1 ? "picture" : null;
  }

  #slideTo(event) {
    const box = this.frame.getBoundingClientRect();
    this.slider.value = Math.round((100 * (event.clientX - box.left)) / box.width);
    this.#draw();
  }

  #wheel(event) {
    if (event.deltaY > 0 && this.scale === 1) return; // nothing to zoom out of: the page moves
    event.preventDefault();
    this.zoomTo(this.scale * Math.exp(-Math.max(Math.min(event.deltaY, 100), -100) / 300), event.clientX, event.clientY);
  }

  /** Plus and minus zoom, 0 shows the whole; arrows move the picture, with shift where they move the line or the brush. */
  #key(event) {
    const arrow = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "+" || event.key === "=") this.zoomBy(1);
    else if (event.key === "-") this.zoomBy(-1);
    else if (event.key === "0") this.fit();
    else if (arrow && (event.shiftKey || event.target === this.frame)) this.#settle(this.scale, this.x + PAN_PX * arrow[0], this.y + PAN_PX * arrow[1]);
    else return;
    event.preventDefault();
  }
}
