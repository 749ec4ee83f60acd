// Predictions in the visitor's own browser, by a worker. The same interface as backends/api.js:
// `models()`, `predict(items, options, onResult)` and `underPrior(items, prior, onResult)`.

import { OperatingPoint } from "../model/operating_point.js";
import { evidenceOf, predictionOf, seenRegion } from "../model/prediction.js";

const HERE = new URL("../../", import.meta.url);

export class StaticBackend {
  place = "in this browser";
  #waiting = new Map();
  #worker = null;
  #number = 0;
  #points = new Map();
  #computed = new WeakMap(); // item to the model's outputs, from which any prior follows

  /** @param {function(string, number)} onStatus called with words and a share 0..1 while loading. */
  constructor(onStatus) {
    this.onStatus = onStatus;
  }

  async models() {
    const [models, card] = await Promise.all(["models.json", "model/model.json"].map(json));
    this.card = card;
    [this.model] = models;
    this.polarity = Object.fromEntries(this.model.labels.map(({ name, polarity }) => [name, polarity]));
    return models;
  }

  /** Compute items {name, file}; `onResult(item, answer)` is called for each as it is done. */
  async predict(items, { prior }, onResult) {
    await this.#opened();
    await Promise.all(
      items.map(async (item) => {
        try {
          this.#computed.set(item, await this.#compute(item.file));
          onResult(item, this.answerFrom(this.#computed.get(item), item.name, prior));
        } catch (error) {
          onResult(item, { path: item.name, error: error.message });
        }
      }),
    );
  }

  /** Give the predictions of computed items under another prior. */
  async underPrior(items, prior, onResult) {
    for (const item of items) {
      const computed = this.#computed.get(item);
      if (computed) onResult(item, this.answerFrom(computed, item.name, prior));
    }
  }

  /** Return what the model computes of one file, and the pixels it was given (for tests). */
  async outputs(file) {
    await this.#opened();
    return this.#compute(file, true);
  }

  /** Return the prediction that follows from a model's outputs, as the server gives it. */
  answerFrom(computed, path, prior) {
    const answer = predictionOf(this.card, this.#point(prior), this.polarity, { ...computed, path });
    if (computed.evidence) {
      const region = seenRegion(this.card.preprocessing, computed.size);
      answer.evidence = evidenceOf(computed.evidence, this.card, region);
    }
    return answer;
  }

  #point(name) {
    if (!this.#points.has(name)) {
      const prior = this.model.priors.find((one) => one.name === name) ?? null;
      this.#points.set(name, new OperatingPoint(this.card, prior));
    }
    return this.#points.get(name);
  }

  #opened() {
    this.#opening ??= new Promise((resolve, reject) => {
      this.#worker = startWorker();
      this.#worker.onerror = (event) => reject(new Error(event.message || "the worker cannot start"));
      this.#worker.onmessage = ({ data }) => this.#receive(data, resolve, reject);
      this.#worker.postMessage({ kind: "open", card: this.card });
    });
    return this.#opening;
  }

  #opening = null;

  #receive(message, resolve, reject) {
    const { kind, id } = message;
    if (kind === "loading") {
      const share = message.total ? Math.min(1, message.loaded / message.total) : 0;
      this.onStatus("Loading the model", share);
    } else if (kind === "ready") {
      this.onStatus("", 1);
      resolve();
    } else if (kind === "broken") {
      reject(new Error(message.message));
    } else {
      const { done, failed } = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (kind === "computed") done(message.computed);
      else failed(new Error(message.message));
    }
  }

  #compute(file, wantsPixels = false) {
    return new Promise((done, failed) => {
      const id = this.#number++;
      this.#waiting.set(id, { done, failed });
      this.#worker.postMessage({ kind: "image", id, file, wantsPixels });
    });
  }
}

function startWorker() {
  const source = `import ${JSON.stringify(new URL("scripts/worker.js", HERE).href)};`;
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  return new Worker(address, { type: "module" });
}

async function json(path) {
  const response = await fetch(new URL(path, HERE));
  if (!response.ok) throw new Error(`${path}: the host answers ${response.status}`);
  return response.json();
}
