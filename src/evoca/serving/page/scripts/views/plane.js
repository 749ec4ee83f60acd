// Valence and arousal on their plane, with the intervals that hold viewers' mean rating.

import { drawn } from "../dom.js";
import { affectInWords } from "../vocabulary.js";

const SIDE = 160;

/** Return the plane of one prediction's affect. */
export function plane(affect) {
  const [low, high] = affect.scale;
  const x = (value) => (SIDE * (value - low)) / (high - low);
  const y = (value) => SIDE - x(value);
  const { interval } = affect;
  const box = interval && {
    x: x(interval.valence[0]),
    y: y(interval.arousal[1]),
    width: x(interval.valence[1]) - x(interval.valence[0]),
    height: y(interval.arousal[0]) - y(interval.arousal[1]),
  };
  const place = (text, px, py, anchor) =>
    drawn("text", { x: px, y: py, "text-anchor": anchor, class: "corner" }, text);
  return drawn(
    "svg",
    { viewBox: "-26 -8 204 200", class: "plane", role: "img", "aria-label": affectInWords(affect) },
    drawn("rect", { class: "ground", width: SIDE, height: SIDE, rx: 6 }),
    drawn("path", { class: "axis", d: `M${SIDE / 2} 0V${SIDE}M0 ${SIDE / 2}H${SIDE}` }),
    box && drawn("rect", { class: "interval", rx: 4, ...box }),
    drawn("circle", { class: "point", cx: x(affect.valence), cy: y(affect.arousal), r: 5.5 }),
    place("tense", 7, 15, "start"),
    place("excited", SIDE - 7, 15, "end"),
    place("gloomy", 7, SIDE - 8, "start"),
    place("calm", SIDE - 7, SIDE - 8, "end"),
    drawn("text", { class: "axis-name", x: SIDE / 2, y: SIDE + 16, "text-anchor": "middle" }, "unpleasant – valence – pleasant"),
    drawn("text", { class: "axis-name", transform: `translate(-10 ${SIDE / 2}) rotate(-90)`, "text-anchor": "middle" }, "calm – arousal – aroused"),
  );
}
