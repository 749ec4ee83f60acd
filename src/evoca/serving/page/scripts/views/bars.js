// A distribution as bars.

import { element, percent } from "../dom.js";

/** Return a table of bars for some labels, likeliest first; those outside the set are quiet. */
export function bars(answer, vocabulary, { most = Infinity, onChoose = null, chosen = null } = {}) {
  const { probabilities, prediction_set: set } = answer;
  const ranked = Object.entries(probabilities).sort(([, a], [, b]) => b - a).slice(0, most);
  const rows = ranked.map(([label, share]) => row(label, share, set.includes(label), vocabulary, onChoose, chosen));
  const caption = element("caption", { class: "unseen" }, "Share of viewers expected to choose each emotion");
  return element("table", { class: "bars" }, caption, element("tbody", {}, ...rows));
}

function row(label, share, plausible, vocabulary, onChoose, chosen) {
  const name = onChoose
    ? element(
        "button",
        {
          type: "button",
          class: "name",
          "aria-pressed": String(label === chosen),
          "aria-label": `${label}: show its evidence`,
          onclick: () => onChoose(label),
        },
        ...vocabulary.named(label),
      )
    : vocabulary.named(label);
  const colours = { "--emotion": vocabulary.style(label).colour, "--share": String(share) };
  const fill = element("div", { class: "fill", style: colours });
  return element(
    "tr",
    { class: plausible ? "" : "outside", "data-label": label },
    element("th", { scope: "row" }, name),
    element("td", {}, element("div", { class: "track" }, fill)),
    element("td", {}, percent(share)),
  );
}
