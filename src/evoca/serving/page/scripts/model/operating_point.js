// Logits to probabilities and prediction sets under class frequencies (a prior), as in
// evoca.priors and evoca.runtime.operating_point, which name the sources.

/** Return softmax(logits / temperature). */
export function softmax(logits, temperature) {
  const scaled = Array.from(logits, (logit) => logit / temperature);
  const most = Math.max(...scaled);
  const exponents = scaled.map((value) => Math.exp(value - most));
  const sum = exponents.reduce((total, value) => total + value, 0);
  return exponents.map((value) => value / sum);
}

/** Return probabilities under other frequencies than those they were learnt under. */
export function reweight(probabilities, trained, prior) {
  const weighted = probabilities.map((p, i) => (p * prior[i]) / trained[i]);
  const sum = weighted.reduce((total, value) => total + value, 0);
  return sum > 0 ? weighted.map((value) => value / sum) : [...prior];
}

/** Return the threshold whose sets hold the true label for the stated share of images. */
export function weightedThreshold(scores, weights, most, coverage) {
  const order = scores.map((_, i) => i).sort((a, b) => scores[b] - scores[a] || a - b);
  const total = weights.reduce((sum, weight) => sum + weight, 0) + most;
  let sum = 0;
  for (const i of order) {
    sum += weights[i];
    if (sum / total >= coverage - 1e-12) return scores[i];
  }
  return 0;
}

/** How one model's logits become probabilities and sets under one prior. */
export class OperatingPoint {
  /**
   * @param {object} card `model.json`.
   * @param {?{name: string, frequencies: Object<string, number>}} prior the card's own if `null`.
   */
  constructor(card, prior) {
    this.card = card;
    const own = card.prior ?? (card.training_frequencies && { name: "trained", frequencies: card.training_frequencies });
    this.prior = prior ?? own ?? null;
    const shares = (frequencies) => card.labels.map((label) => frequencies[label]);
    this.trained = card.training_frequencies ? shares(card.training_frequencies) : null;
    this.shares = this.prior && this.trained ? shares(this.prior.frequencies) : null;
    this.threshold = this.#isOwn(own) ? card.set_threshold : this.#thresholdHere();
  }

  #isOwn(own) {
    return !this.prior || this.card.labels.every((l) => own.frequencies[l] === this.prior.frequencies[l]);
  }

  #thresholdHere() {
    const { card, trained, shares } = this;
    if (!card.calibration) throw new Error("this model has no calibration rows for another prior");
    const { rows, truth } = calibrationOf(card);
    const counts = card.labels.map(() => 0);
    for (const label of truth) counts[label] += 1 / truth.length;
    const weights = shares.map((share, i) => (counts[i] > 0 ? share / counts[i] : 0));
    const scores = rows.map((logits, i) => reweight(softmax(logits, card.temperature), trained, shares)[truth[i]]);
    const each = Array.from(truth, (label) => weights[label]);
    return weightedThreshold(scores, each, Math.max(...weights), card.set_coverage);
  }

  probabilities(logits) {
    const learnt = softmax(logits, this.card.temperature);
    return this.shares ? reweight(learnt, this.trained, this.shares) : learnt;
  }
}

function calibrationOf({ calibration, labels }) {
  const logits = new Float32Array(bytes(calibration.logits).buffer);
  const truth = new Uint16Array(bytes(calibration.truth).buffer);
  const rows = Array.from(truth, (_, i) => logits.subarray(i * labels.length, (i + 1) * labels.length));
  return { rows, truth };
}

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
