// The evidence for one emotion as a glow over the picture.

const RAMP = [[60, 9, 90], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]];
const FINE = 12; // drawn pixels per cell, between which levels are interpolated

/** Return a map scaled to 0..1 as it is drawn: of an additive one only what is above 0. */
export function levels({ kind, values }, label) {
  const own = values[label];
  const least = kind === "additive" ? 0 : Math.min(...own);
  const raised = own.map((value) => Math.max(0, value - least));
  const most = Math.max(...raised);
  return most > 0 ? raised.map((value) => value / most) : raised;
}

/** Draw the evidence for a label on a canvas that lies over the picture. */
export function drawEvidence(canvas, evidence, label) {
  const [rows, columns] = evidence.shape;
  const map = levels(evidence, label);
  canvas.width = columns * FINE;
  canvas.height = rows * FINE;
  const [left, top, right, bottom] = evidence.region ?? [0, 0, 1, 1];
  Object.assign(canvas.style, {
    left: `${100 * left}%`,
    top: `${100 * top}%`,
    width: `${100 * (right - left)}%`,
    height: `${100 * (bottom - top)}%`,
  });
  const context = canvas.getContext("2d");
  const picture = context.createImageData(canvas.width, canvas.height);
  const across = weights(columns);
  const down = weights(rows);
  for (let y = 0, o = 0; y < canvas.height; y++) {
    for (let x = 0; x < canvas.width; x++, o += 4) {
      const level = between(map, columns, down[y], across[x]);
      picture.data.set(colour(level), o);
    }
  }
  context.putImageData(picture, 0, 0);
}

/** Return, for each drawn pixel, the four cells around it and their weights (Catmull-Rom). */
function weights(count) {
  return Array.from({ length: count * FINE }, (_, i) => {
    const place = (i + 0.5) / FINE - 0.5;
    const first = Math.floor(place) - 1;
    return [0, 1, 2, 3].map((k) => {
      const away = Math.abs(place - first - k);
      const weight = away < 1
        ? (1.5 * away - 2.5) * away * away + 1
        : ((-0.5 * away + 2.5) * away - 4) * away + 2;
      return [Math.min(Math.max(first + k, 0), count - 1), weight];
    });
  });
}

function between(map, columns, down, across) {
  let sum = 0;
  for (const [row, high] of down) {
    for (const [column, wide] of across) sum += map[row * columns + column] * high * wide;
  }
  return Math.min(Math.max(sum, 0), 1);
}

function colour(level) {
  const place = level * (RAMP.length - 1);
  const low = Math.min(Math.floor(place), RAMP.length - 2);
  const mixed = RAMP[low].map((value, i) => value + (place - low) * (RAMP[low + 1][i] - value));
  return [...mixed, 255 * Math.min(1, 1.6 * level)];
}
