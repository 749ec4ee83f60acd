// The labels of the model in use: their colours, glyphs and polarity, and a prediction in words.

import { element, listed } from "./dom.js";

// Around Mikels' wheel (Zhao et al. 2016); the last stands next to the first.
export const WHEEL = [
  "amusement", "contentment", "awe", "excitement", "fear", "sadness", "disgust", "anger",
];
const OTHER = { colour: "#BBBBBB", glyph: "○", polarity: null };

export class Vocabulary {
  constructor(labels) {
    this.labels = labels.map(({ name }) => name);
    this.styles = Object.fromEntries(labels.map((label) => [label.name, label]));
  }

  style(label) {
    return this.styles[label] ?? OTHER;
  }

  /** Return whether the labels are those of Mikels' wheel. */
  get hasWheel() {
    return this.labels.length === WHEEL.length && WHEEL.every((label) => label in this.styles);
  }

  /** Return the glyph and the name of a label. */
  named(label) {
    return [this.glyph(label), label];
  }

  glyph(label) {
    const { colour, glyph } = this.style(label);
    return element("span", { class: "glyph", "aria-hidden": "true", style: { "--emotion": colour } }, glyph);
  }
}

/** Return a prediction's set in words: "mostly awe, possibly contentment". */
export function inWords({ prediction_set: [first, ...others], confidence, probabilities }) {
  const all = Object.keys(probabilities).length;
  if (others.length + 1 > all / 2 + 1) return `hard to tell: ${first}, but also ${listed(others, "or")}`;
  const lead = confidence >= 0.5 ? `mostly ${first}` : `perhaps ${first}`;
  return others.length ? `${lead}, possibly ${listed(others, "or")}` : lead;
}

/** Return valence and arousal in words: one line each. */
export function affectInWords({ valence, arousal, scale, interval }) {
  const line = (name, value) => {
    const ends = interval ? ` (${interval[name].map((end) => end.toFixed(1)).join(" to ")})` : "";
    return `${name} ${value.toFixed(1)}${ends}`;
  };
  return `${line("valence", valence)}, ${line("arousal", arousal)}, on ${scale.join(" to ")}`;
}
