// The chosen picture: large, with its evidence, and all that was predicted for it.

import { affectInWords, inWords } from "../vocabulary.js";
import { bars } from "./bars.js";
import { drawEvidence } from "./evidence.js";
import { element, percent, setStyle } from "../dom.js";
import { plane } from "./plane.js";
import { wheel } from "./wheel.js";

const ARROWS = { ArrowLeft: -1, ArrowRight: 1 };

export class Detail {
  #address = null;
  #item = null;

  /**
   * @param {HTMLElement} place
   * @param {object} view shared choices: `vocabulary`, `label` (null: none, "top": the likeliest),
   *   `opacity` 0..1.
   * @param {function(string)} onLabel called with the label whose evidence is asked for.
   * @param {function(number)} onOpacity called with 0..1.
   * @param {function(number)} onStep called with -1 or 1.
   */
  constructor(place, view, onLabel, onOpacity, onStep) {
    Object.assign(this, { place, view, onLabel, onOpacity });
    place.tabIndex = -1;
    place.addEventListener("keydown", (event) => {
      if (event.key in ARROWS && !event.target.matches("input, select")) onStep(ARROWS[event.key]);
    });
  }

  show(item) {
    const { place } = this;
    place.hidden = !item;
    if (!item) return;
    if (item !== this.#item) {
      if (this.#address) URL.revokeObjectURL(this.#address);
      this.#address = URL.createObjectURL(item.file);
      this.#item = item;
    }
    const focused = document.activeElement?.closest?.("[data-label]")?.dataset.label;
    place.replaceChildren(this.#picture(item), this.#answer(item), this.#plots(item.answer));
    if (focused) place.querySelector(`[data-label="${focused}"] button`)?.focus();
  }

  get label() {
    const { label } = this.view;
    return label === "top" ? this.#item?.answer?.emotion : label;
  }

  #picture(item) {
    const { answer } = item;
    const image = element("img", { src: this.#address, alt: item.name });
    image.addEventListener("error", () => image.replaceWith(element("p", { class: "no-picture" }, "this browser cannot show it")));
    const frame = element("div", { class: "frame large" }, image);
    const figure = element("figure", { class: "picture" }, frame);
    if (!answer?.evidence) {
      figure.append(element("figcaption", { class: "quiet" }, answer ? item.name : `${item.name}: ${item.state ?? "waiting"}`));
      return figure;
    }
    if (this.label && answer.evidence.values[this.label]) {
      const canvas = element("canvas", { "aria-hidden": "true" });
      drawEvidence(canvas, answer.evidence, this.label);
      frame.append(canvas);
      frame.classList.add("with-evidence");
    }
    figure.append(this.#caption(item));
    return figure;
  }

  #caption(item) {
    const { vocabulary, opacity } = this.view;
    const { label } = this;
    const says = label
      ? [element("span", { class: "legend" }, "Evidence for ", ...vocabulary.named(label))]
      : ["Choose an emotion to see its evidence"];
    const slider = element("input", {
      type: "range", min: 0, max: 100, value: Math.round(100 * opacity), id: "opacity", "aria-label": "Opacity of the evidence",
      oninput: (event) => this.onOpacity(event.target.valueAsNumber / 100),
    });
    return element("figcaption", {}, element("div", { class: "evidence-bar" }, ...says, slider), element("p", { class: "quiet name" }, item.name));
  }

  #answer(item) {
    const { answer } = item;
    if (!answer) return element("div", { class: "answer" });
    if (answer.error) {
      return element("div", { class: "answer" }, element("h2", {}, "It cannot be read"), element("p", { class: "problem" }, answer.error));
    }
    const { vocabulary } = this.view;
    const heading = element(
      "h2",
      { class: "headline" },
      vocabulary.glyph(answer.emotion),
      `${inWords(answer)}`,
    );
    const table = bars(answer, vocabulary, { onChoose: this.onLabel, chosen: this.label });
    return element("div", { class: "answer" }, heading, this.#facts(answer), table);
  }

  #facts(answer) {
    const facts = [];
    if (answer.polarity) facts.push(`${answer.polarity.label} ${percent(shareOf(answer.polarity))}`);
    if (answer.prior) facts.push(`for ${answer.prior.name} frequencies`);
    const warnings = answer.warnings.map((warning) => element("p", { class: "warning" }, warning));
    return element("div", {}, element("p", { class: "quiet" }, facts.join(" · ")), ...warnings);
  }

  #plots(answer) {
    const plots = element("div", { class: "plots" });
    if (!answer || answer.error) return plots;
    if (this.view.vocabulary.hasWheel) {
      plots.append(element("figure", {}, wheel(answer, this.view.vocabulary), element("figcaption", { class: "quiet" }, "Mikels' wheel: the larger the area, the likelier")));
    }
    if (answer.affect) {
      plots.append(element("figure", {}, plane(answer.affect), element("figcaption", { class: "quiet" }, affectInWords(answer.affect))));
    }
    return plots;
  }
}

const shareOf = ({ label, positive }) => (label === "positive" ? positive : 1 - positive);

/** Show how strongly evidence covers pictures everywhere on the page. */
export function setOpacity(value) {
  setStyle(document.documentElement, { "--evidence": String(value) });
}
