// Predictions by the server that this page comes from. The same interface as backends/static.js.

import { $ } from "../dom.js";

// Pictures and bytes in a request: few, so that answers come one after another.
const AT_ONCE = 4;
const BYTES_AT_ONCE = 16e6;
const MOST_WAITS = 30;
const KEY = "evoca-key";

export class ApiBackend {
  place = "on this server";

  /** @param {function(string, number)} onStatus called with words while the server is waited for. */
  constructor(onStatus) {
    this.onStatus = onStatus;
  }

  async models() {
    return (await this.#ask("v1/models")).json();
  }

  /** Compute items {name, file}; `onResult(item, answer)` is called for each as it is done. */
  async predict(items, { prior }, onResult) {
    await this.#inBatches(items, prior, "all", onResult);
  }

  /** Give the predictions of items under another prior; evidence does not depend on it. */
  async underPrior(items, prior, onResult) {
    const kept = new Map(items.map((item) => [item, item.answer.evidence]));
    await this.#inBatches(items, prior, "none", (item, answer) =>
      onResult(item, { ...answer, evidence: kept.get(item) }),
    );
  }

  /** Return what the tagged collection holds. */
  async collection() {
    return (await this.#ask("v1/collection")).json();
  }

  /** Return {total, images} for an expression, an order or an example, a page at a time. */
  async images(query) {
    return (await this.#ask(`v1/collection/images?${new URLSearchParams(query)}`)).json();
  }

  /** Return the timeline of a film. */
  async film(path) {
    return (await this.#ask(`v1/collection/film?${new URLSearchParams({ path })}`)).json();
  }

  async #inBatches(items, prior, evidence, onResult) {
    for (const batch of batches(items)) {
      const answers = await this.#predicted(batch, prior, evidence);
      batch.forEach((item, i) => onResult(item, { ...answers[i], path: item.name }));
    }
  }

  async #predicted(items, prior, evidence) {
    const query = new URLSearchParams({ evidence, ...(prior ? { prior } : {}) });
    const body = new FormData();
    for (const { name, file } of items) body.append("files", file, name);
    const response = await this.#ask(`v1/predict?${query}`, { method: "POST", body }, [413, 422]);
    const answers = await response.json();
    return Array.isArray(answers) ? answers : items.map(() => ({ error: answers.error }));
  }

  /** Fetch, and wait as long as the server asks for where it is full; `taken` are statuses of answers. */
  async #ask(path, options = {}, taken = []) {
    for (let waits = 0; ; waits++) {
      const response = await this.#sent(path, options);
      const { status } = response;
      if (response.ok || taken.includes(status)) return response;
      if (status === 401) {
        await askForKey();
        continue;
      }
      if (![429, 503].includes(status) || waits >= MOST_WAITS) throw new Error(await reason(response));
      const seconds = Math.min(Number(response.headers.get("Retry-After")) || 1, 60);
      this.onStatus(`The server is busy; trying again in ${seconds} s`, 0);
      await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
    }
  }

  async #sent(path, options) {
    const key = sessionStorage.getItem(KEY);
    const headers = key ? { Authorization: `Bearer ${key}` } : {};
    try {
      return await fetch(new URL(path, document.baseURI), { ...options, headers });
    } catch {
      throw new Error("The server cannot be reached.");
    }
  }
}

/** Yield items in parts of a few pictures and megabytes, at least one picture each. */
function* batches(items) {
  let batch = [];
  let bytes = 0;
  for (const item of items) {
    if (batch.length && (batch.length === AT_ONCE || bytes + item.file.size > BYTES_AT_ONCE)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(item);
    bytes += item.file.size;
  }
  if (batch.length) yield batch;
}

async function reason(response) {
  try {
    return (await response.json()).error ?? `The server answers ${response.status}.`;
  } catch {
    return `The server answers ${response.status}.`;
  }
}

function askForKey() {
  const dialog = $("key");
  return new Promise((resolve, reject) => {
    const closed = () => {
      if (dialog.returnValue !== "send") return reject(new Error("This server asks for a key."));
      sessionStorage.setItem(KEY, dialog.querySelector("input").value.trim());
      return resolve();
    };
    dialog.addEventListener("close", closed, { once: true });
    dialog.showModal();
  });
}
