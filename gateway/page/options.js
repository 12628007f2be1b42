// The form of options, made from what the service says about them.

import { make } from "./dom.js";
import { Reference } from "./reference.js";

const FIRST = ["mode", "normalise", "scale", "format"];
/** Options that stand in the open; all others, new ones too, are among "More options". */

const TEXTS = {
  mode: {
    label: "How much to mend",
    value: (value) => ({ auto: "Automatic", gentle: "Gentle", thorough: "Thorough" })[value] ?? value,
    order: ["gentle", "auto", "thorough"],
    hints: {
      auto: "Old and damaged prints thoroughly, other photos gently, drawings and text not at all.",
      gentle: "Only what is beyond doubt.",
      thorough: "Everything, at full strength.",
    },
  },
  normalise: {
    label: "Colours",
    value: (value) => ({ false: "As they are", true: "Freshened" })[value] ?? value,
    hints: { true: "A cast is taken away and the contrast raised before anything else is done." },
  },
  stages: { label: "What to mend", automatic: "All that this calls for", chosen: "Only what I choose, always" },
  strength: { label: "Strength" },
  scale: { label: "Enlarge", value: (value) => (value === 1 ? "No" : `× ${value}`) },
  format: { label: "Save as", automatic: "Like the photo" },
  sigma_255: { label: "Noise level", hint: "0 to 100, of 255; left empty it is estimated" },
  tier: {
    label: "Networks",
    value: (value) => ({ auto: "the service's choice", fast: "fast", quality: "better and slower" })[value] ?? value,
  },
  denoise_method: {
    label: "Remove noise by",
    value: (value) => ({
      network: "our network", l0tv: "replacing impulses (l0TV)", "poisson-tv": "total variation, for photon noise",
      csf: "shrinkage fields, quick", ksvd: "learned atoms (K-SVD)", kriging: "replacing impulses (kriging)", bm3d: "BM3D",
      dip: "a network fitted to this photo, in minutes",
    })[value] ?? value,
  },
  translate_method: {
    label: "Fill damage by",
    value: (value) => ({ network: "our network", dip: "a network fitted to this photo, in minutes" })[value] ?? value,
  },
  upscale_method: {
    label: "Enlarge by",
    value: (value) => ({ network: "our network", dip: "a network fitted to this photo, in minutes" })[value] ?? value,
  },
  psf: {
    label: "Undo a blur",
    hint: "Motion:15,30 for a shake of 15 px at 30 degrees, gaussian:1.6 for softness, defocus:4 for a lens out of focus",
  },
  deblur_method: {
    label: "Undo it by",
    value: (value) => ({ hqs: "splitting, with our denoiser", "hqs-csf": "splitting, with a quick denoiser", wiener: "Wiener's filter", "richardson-lucy": "Richardson-Lucy" })[value] ?? value,
  },
  weather_method: {
    label: "Weather",
    value: (value) => ({ network: "rain and snow, where chosen above", "haze-network": "lift haze, if there is any", "dark-channel": "lift haze (dark channel)" })[value] ?? value,
  },
  colorize: {
    label: "Give colours",
    value: (value) => ({ learned: "invented ones", exemplar: "a reference's, where it shows the same", transfer: "a reference's, by lightness" })[value] ?? value,
    hint: "No colour is measured in a grey photo: they are invented, or a reference's. The saved file says so.",
  },
  networks: { label: "Networks from elsewhere", hint: "that the operator has imported, as denoise:old-film,upscale:sharp-x4" },
  hints: { label: "Colours that you know", hint: "120,80,#aa3311;40,200,#336699: column, row and colour of points" },
  quality: { label: "Quality", hint: "1 to 100, for JPEG, WebP and AVIF" },
  metadata: {
    label: "Data inside the file",
    value: (value) => ({ keep: "keep all", strip: "remove all", "no-gps": "remove the place" })[value] ?? value,
  },
  colour: {
    label: "Colour space",
    value: (value) => ({ srgb: "sRGB", source: "that of the photo" })[value] ?? value,
  },
  timeout: { label: "Wait at most", hint: "seconds" },
};

const words = (name) => name.charAt(0).toUpperCase() + name.slice(1).replaceAll(/[_-]/g, " ");
export const formatName = (name) => ({ webp: "WebP" })[name] ?? name.toUpperCase();

/** Fields for all options that leave a choice. */
export class Options {
  #reference = null;

  constructor(schemas, stages, main, more) {
    this.schemas = schemas;
    const labels = Object.fromEntries(stages.map(({ name, label }) => [name, label]));
    this.fields = {};
    main.replaceChildren();
    more.replaceChildren();
    const rest = Object.keys(schemas).filter((name) => !FIRST.includes(name));
    for (const name of [...FIRST.filter((name) => name in schemas), ...rest]) {
      const field = makeField(name, schemas[name], labels);
      if (!field) continue;
      this.fields[name] = field;
      if (name === "colorize") field.element.append((this.#reference = new Reference(field.element.querySelector("select"))).element);
      (FIRST.includes(name) ? main : more).append(field.element);
    }
  }

  /** What differs from the service's own choice, as a query. */
  query() {
    const query = new URLSearchParams();
    for (const [name, field] of Object.entries(this.fields)) {
      const value = field.value();
      if (value !== null && value !== String(this.schemas[name].default ?? "\0")) query.set(name, value);
    }
    return query;
  }

  /** The photograph whose colours are taken, where they are to be a reference's; else null. */
  get reference() {
    return this.#reference?.file ?? null;
  }

  /** The formats that can be asked for. */
  get formats() {
    return this.schemas.format?.enum ?? [];
  }

  /** What "like the photo" means for this one. */
  setAutomaticFormat(name) {
    const option = this.fields.format?.element.querySelector("option[value='']");
    if (option) option.textContent = name ? `${TEXTS.format.automatic} (${formatName(name)})` : TEXTS.format.automatic;
  }
}

/** An element and a function that gives its value as text, or null where the service is to decide. */
function makeField(name, described, labels) {
  const schema = { ...described, ...described.anyOf?.[0] }; // of several ways to say it, the first and simplest
  if (schema.type === "array") return makeChoice(name, schema, labels);
  if (schema.enum?.length === 1) return null;
  if (FIRST.includes(name) && schema.enum && schema.default !== null) return makeTiles(name, schema.enum, schema.default);
  if (FIRST.includes(name) && schema.type === "boolean") return makeTiles(name, [false, true], Boolean(schema.default));
  if (schema.enum) return makeSelect(name, schema);
  if (schema.type === "boolean") return makeSwitch(name, schema);
  if (schema.type === "string") return makeText(name, schema);
  if (schema.minimum === 0 && schema.maximum === 1) return makeSlider(name, schema);
  return makeNumber(name, schema);
}

const text = (name) => ({ label: words(name), value: String, ...TEXTS[name] });

function makeChoice(name, schema, labels) {
  const { label, automatic = "Automatic", chosen = "Only these" } = text(name);
  const boxes = schema.items.enum.map((value) => make("input", { type: "checkbox", value, id: `${name}-${value}` }));
  const list = make("div", { className: "choices", hidden: true },
    ...boxes.map((box) => make("label", { className: "check" }, box, labels[box.value] ?? words(box.value))));
  const radio = (id, value, checked) => make("input", { type: "radio", name, value, id: `${name}-${id}`, checked });
  const [byItself, byHand] = [radio("automatic", "", true), radio("chosen", "chosen", false)];
  const element = make("div", { className: "field", role: "radiogroup", ariaLabel: label },
    make("span", { className: "label" }, label),
    make("label", { className: "check" }, byItself, automatic),
    make("label", { className: "check" }, byHand, chosen),
    list);
  element.addEventListener("change", () => { list.hidden = !byHand.checked; });
  const value = () => (byHand.checked ? boxes.filter((box) => box.checked).map((box) => box.value).join(",") : null);
  return { element, value };
}

/** A few values side by side, with what the chosen one means below. */
function makeTiles(name, values, chosen) {
  const { label, value: say, hints, order = [] } = text(name);
  values = [...order.filter((value) => values.includes(value)), ...values.filter((value) => !order.includes(value))];
  const radios = values.map((value) => make("input", { type: "radio", name, value, id: `${name}-${value}`, checked: value === chosen }));
  const hint = make("span", { className: "hint", id: `hint-${name}` });
  const element = make("div", { className: "field", role: "radiogroup", ariaLabel: label },
    make("span", { className: "label" }, label),
    make("div", { className: "tiles" }, ...radios.map((radio, at) => make("label", {}, radio, make("span", {}, say(values[at]))))),
    hint);
  element.setAttribute("aria-describedby", hint.id);
  const value = () => radios.find(({ checked }) => checked).value;
  const explain = () => {
    hint.textContent = hints?.[value()] ?? "";
    hint.hidden = !hint.textContent;
  };
  element.addEventListener("change", explain);
  explain();
  return { element, value };
}

function makeSelect(name, schema) {
  const { label, automatic = "Automatic", value: say, hint } = text(name);
  const shown = name === "format" ? formatName : say;
  const select = make("select", { id: `option-${name}` },
    ...(schema.default === null ? [make("option", { value: "" }, automatic)] : []),
    ...schema.enum.map((value) => make("option", { value, selected: value === schema.default }, shown(value))));
  return { element: labelled(name, label, select, hint), value: () => select.value || null };
}

function makeSwitch(name, schema) {
  const box = make("input", { type: "checkbox", id: `option-${name}`, checked: Boolean(schema.default) });
  const element = make("div", { className: "field" }, make("label", { className: "check" }, box, text(name).label));
  return { element, value: () => String(box.checked) };
}

function makeSlider(name, schema) {
  const range = make("input", { type: "range", id: `option-${name}`, min: 0, max: 100, value: 100 * (schema.default ?? 1) });
  const output = make("output", {}, `${range.value} %`);
  output.htmlFor.add(range.id);
  range.addEventListener("input", () => { output.textContent = `${range.value} %`; });
  const element = labelled(name, text(name).label, range);
  element.querySelector("label").append(output);
  return { element, value: () => String(range.value / 100) };
}

function makeText(name, schema) {
  const { label, hint = schema.description } = text(name);
  const input = make("input", { type: "text", id: `option-${name}`, autocomplete: "off", spellcheck: false });
  return { element: labelled(name, label, input, hint), value: () => input.value.trim() || null };
}

function makeNumber(name, schema) {
  const { label, hint = schema.description } = text(name);
  const input = make("input", {
    type: "number", id: `option-${name}`, inputMode: "decimal", step: schema.type === "integer" ? "1" : "any",
    min: schema.minimum ?? "", max: schema.maximum ?? "", value: schema.default ?? "", placeholder: schema.default === null ? "automatic" : "",
  });
  return { element: labelled(name, label, input, hint), value: () => input.value || null };
}

function labelled(name, label, input, hint = "") {
  const element = make("div", { className: "field" }, make("label", { className: "label", htmlFor: input.id }, label), input);
  if (hint) {
    element.append(make("span", { className: "hint", id: `hint-${name}` }, hint));
    input.setAttribute("aria-describedby", `hint-${name}`);
  }
  return element;
}
