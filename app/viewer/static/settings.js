// How the image of a pane is drawn: a rendering, or bands of one's own; stretch, gamma.

import { choice, labelled, node } from "./dom.js";

const OWN = "bands";
const STRETCHES = [
  ["", "as it is"], ["2-98", "2 to 98 %"], ["0.5-99.5", "0.5 to 99.5 %"],
  ["minmax", "lowest to highest"], ["values", "values…"],
];

export class PictureSettings {
  constructor(name, onchange) {
    this.onchange = onchange;
    this.rendering = choice(`Picture of ${name}`, []);
    this.form = node("div", { class: "settings" });
    this.details = node("details", {}, node("summary", { "aria-label": `Adjust bands and brightness of the ${name}` }, "Adjust"), this.form);
    this.element = node("div", { class: "picture" }, this.rendering, this.details);
    this.rendering.addEventListener("change", () => { this.fill(); this.changed(); });
    this.details.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      this.details.open = false;
      this.details.querySelector("summary").focus();
    });
  }

  open(facts) {
    this.facts = facts;
    const options = facts.renderings.map(({ name }) => [name, name.replaceAll("-", " ")]);
    this.rendering.replaceChildren(...[...options, [OWN, "own bands"]].map(
      ([key, text]) => node("option", { value: key }, text),
    ));
    this.details.open = false;
    this.fill();
  }

  get current() {
    return this.facts.renderings.find(({ name }) => name === this.rendering.value);
  }

  fill() {
    const found = this.current;
    const bands = this.facts.bands.map(({ index, name }) => [String(index), `${index}: ${name}`]);
    const shown = found && [1, 3].includes(found.bands.length) ? found.bands : this.facts.renderings[0].bands;
    const pick = (k) => String(shown[k] ?? shown[0] ?? 1);
    this.bands = ["Red", "Green", "Blue"].map((name, k) => choice(name, bands, pick(k)));
    this.stretch = choice("Brightness", found ? STRETCHES : STRETCHES.slice(1), found ? "" : "2-98");
    this.stretch.disabled = Boolean(found && !found.stretch);
    this.low = node("input", { type: "number", step: "any", value: "0", "aria-label": "Black at" });
    this.high = node("input", { type: "number", step: "any", value: "255", "aria-label": "White at" });
    this.gamma = node("input", { type: "range", min: "0.4", max: "2.5", step: "0.1", value: "1", "aria-label": "Gamma" });
    const values = node("span", { class: "values", hidden: "" }, this.low, " to ", this.high);
    const reset = node("button", { type: "button" }, "Reset");
    reset.addEventListener("click", () => { this.fill(); this.changed(); });
    this.stretch.addEventListener("change", () => { values.hidden = this.stretch.value !== "values"; });
    const own = found ? [] : this.bands.map((select, k) => labelled(["Red", "Green", "Blue"][k], select));
    this.form.replaceChildren(...own, labelled("Brightness", this.stretch), values, labelled("Gamma", this.gamma), reset);
    if (this.stretch.disabled) this.form.append(node("p", {}, "This picture has a fixed range of values."));
    for (const control of this.form.querySelectorAll("select, input")) {
      control.addEventListener("change", () => this.changed());
    }
  }

  get style() {
    const found = this.current;
    const gamma = this.gamma.value === "1" ? "" : this.gamma.value;
    const stretch = this.stretch.value === "values"
      ? `=${Number(this.low.value)}:${Number(this.high.value)}` : this.stretch.value;
    if (found && !stretch) return { rendering: found.name, gamma };
    const bands = (found ? found.bands : this.bands.map((select) => select.value)).join(",");
    return { bands, stretch, gamma };
  }

  changed() {
    this.onchange(this.style);
  }
}
