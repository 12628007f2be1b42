// The photograph whose colours another one is given.

import { make } from "./dom.js";

const FROM_A_REFERENCE = ["exemplar", "transfer"];

/** A field for a file, in sight where what a list says needs one; it can be dropped there, too. */
export class Reference {
  /** @param {HTMLSelectElement} choice of where colours come from */
  constructor(choice) {
    this.choice = choice;
    this.input = make("input", { type: "file", id: "reference", accept: "image/*" });
    this.shown = make("img", { alt: "The reference", hidden: true });
    this.element = make("div", { className: "reference", hidden: true },
      make("label", { className: "label", htmlFor: "reference" }, "Photograph to take colours from"), this.input, this.shown);
    this.element.addEventListener("dragover", (event) => event.preventDefault());
    this.element.addEventListener("drop", (event) => this.#drop(event));
    this.input.addEventListener("change", () => this.#show());
    choice.addEventListener("change", () => this.#ask());
    this.#ask();
  }

  get file() {
    return this.element.hidden ? null : this.input.files[0] ?? null;
  }

  #ask() {
    this.input.required = FROM_A_REFERENCE.includes(this.choice.value);
    this.element.hidden = !this.input.required;
  }

  #drop(event) {
    event.preventDefault();
    event.stopPropagation(); // else it would be one more photo to restore
    document.body.classList.remove("dragging");
    if (!event.dataTransfer.files.length) return;
    this.input.files = event.dataTransfer.files;
    this.#show();
  }

  #show() {
    URL.revokeObjectURL(this.shown.src);
    const { file } = this;
    this.shown.hidden = !file;
    if (file) this.shown.src = URL.createObjectURL(file);
    else this.shown.removeAttribute("src");
    this.shown.onerror = () => { this.shown.hidden = true; }; // a file that this browser cannot show
  }
}
