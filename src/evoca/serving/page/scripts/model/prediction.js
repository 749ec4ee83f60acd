// A prediction as the object that `evoca predict --format json` prints, from a model's outputs.

/** Return labels at or above a threshold, likeliest first, never empty. */
export function predictionSet(probabilities, threshold) {
  const ranked = Object.keys(probabilities).sort((a, b) => probabilities[b] - probabilities[a]);
  return ranked.filter((label, i) => i === 0 || probabilities[label] >= threshold);
}

/** Return the polarity of a distribution; `null` where a label has none. */
export function polarityOf(probabilities, polarity) {
  const labels = Object.keys(probabilities);
  if (labels.some((label) => !polarity[label])) return null;
  const positive = labels
    .filter((label) => polarity[label] === "positive")
    .reduce((sum, label) => sum + probabilities[label], 0);
  return { label: positive >= 0.5 - 1e-9 ? "positive" : "negative", positive };
}

function affectOf(affect, { affect_range: scale, affect_intervals: intervals }) {
  if (!affect || !scale) return null;
  const ends = (value, error) => [Math.max(scale[0], value - error), Math.min(scale[1], value + error)];
  const [valence, arousal] = affect;
  const interval = intervals && {
    coverage: intervals.coverage,
    valence: ends(valence, intervals.valence),
    arousal: ends(arousal, intervals.arousal),
  };
  return { valence, arousal, scale, interval: interval ?? null };
}

/**
 * Return a prediction as plain data.
 *
 * @param {object} card `model.json`.
 * @param {OperatingPoint} point
 * @param {Object<string, string>} polarity label to "positive" or "negative".
 * @param {{logits, affect, path, sha256, warnings}} computed of one image.
 */
export function predictionOf(card, point, polarity, computed) {
  const values = point.probabilities(computed.logits);
  const probabilities = Object.fromEntries(card.labels.map((label, i) => [label, values[i]]));
  const set = predictionSet(probabilities, point.threshold);
  return {
    path: computed.path,
    sha256: computed.sha256,
    emotion: set[0],
    confidence: probabilities[set[0]],
    probabilities,
    polarity: polarityOf(probabilities, polarity),
    affect: affectOf(computed.affect, card),
    prior: point.prior && { name: point.prior.name, frequencies: point.prior.frequencies },
    prediction_set: set,
    model: card.name,
    warnings: computed.warnings,
  };
}

/** Return evidence maps by label, as contrasts to the mean of all labels where they add up. */
export function evidenceOf({ data, dims }, card, region) {
  const [maps, rows, columns] = dims.slice(-3);
  const cells = rows * columns;
  const map = (i) => data.subarray((maps === 1 ? 0 : i) * cells, (maps === 1 ? 1 : i + 1) * cells);
  const mean = new Float64Array(cells);
  if (maps > 1 && card.evidence_kind === "additive") {
    card.labels.forEach((_, i) => map(i).forEach((value, cell) => (mean[cell] += value / maps)));
  }
  const values = card.labels.map((label, i) => [label, Array.from(map(i), (v, cell) => v - mean[cell])]);
  return { kind: card.evidence_kind, shape: [rows, columns], values: Object.fromEntries(values), region };
}

/** Return left, top, right, bottom of what the model's input has of a picture, as shares. */
export function seenRegion({ resize, width, height }, [ownWidth, ownHeight]) {
  if (resize === "squash") return [0, 0, 1, 1];
  const scale = Math.max(width / ownWidth, height / ownHeight);
  const [x, y] = [width / (ownWidth * scale), height / (ownHeight * scale)];
  return [(1 - x) / 2, (1 - y) / 2, (1 + x) / 2, (1 + y) / 2];
}
