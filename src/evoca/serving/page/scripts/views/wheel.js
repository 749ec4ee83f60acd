// A distribution on Mikels' wheel: sectors whose areas are the probabilities.

import { drawn, percent } from "../dom.js";
import { WHEEL } from "../vocabulary.js";

const RADIUS = 78;
const STEP = (2 * Math.PI) / WHEEL.length;
const RINGS = [0.25, 0.5, 1];

const at = (radius, angle) => [radius * Math.cos(angle), radius * Math.sin(angle)];
const point = ([x, y]) => `${x.toFixed(2)} ${y.toFixed(2)}`;

/** Return the wheel; the positive half is on the right. */
export function wheel({ probabilities }, vocabulary) {
  const first = -Math.PI / 2; // amusement begins at the top, so the halves are right and left
  const sectors = WHEEL.map((label, i) => {
    const from = first + i * STEP;
    return sector(label, probabilities[label], from, from + STEP, vocabulary);
  });
  const words = WHEEL.map((label) => `${label} ${percent(probabilities[label])}`).join(", ");
  const rings = RINGS.map((share) => drawn("circle", { class: "ring", r: RADIUS * Math.sqrt(share) }));
  const axis = drawn("line", { class: "axis", x1: 0, y1: -RADIUS, x2: 0, y2: RADIUS });
  return drawn(
    "svg",
    { viewBox: "-172 -106 344 212", class: "wheel", role: "img", "aria-label": `On Mikels' wheel: ${words}` },
    ...rings,
    axis,
    ...sectors,
  );
}

function sector(label, share, from, to, vocabulary) {
  const { colour, glyph } = vocabulary.style(label);
  const radius = RADIUS * Math.sqrt(share);
  const path = `M0 0L${point(at(radius, from))}A${radius} ${radius} 0 0 1 ${point(at(radius, to))}Z`;
  const middle = (from + to) / 2;
  const [x, y] = at(RADIUS + 12, middle);
  const [wx, wy] = at(RADIUS + 22, middle);
  const anchor = wx > 0 ? "start" : "end";
  return drawn(
    "g",
    {},
    drawn("path", { d: path, class: "sector", style: { fill: colour } }, drawn("title", {}, `${label} ${percent(share)}`)),
    drawn("text", { x, y: y + 4, class: "wheel-glyph", style: { fill: colour } }, glyph),
    drawn("text", { x: wx, y: wy + 3.5, class: "wheel-name", "text-anchor": anchor }, label),
  );
}
