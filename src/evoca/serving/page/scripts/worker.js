// The model in the visitor's own browser: files in, a model's outputs out. It runs beside the
// page, which therefore stays usable; it is started from a blob, so that the page's policy (no
// connection to any other host) holds in it too.

import * as ort from "../vendor/onnxruntime-web/ort.wasm.bundle.min.mjs";
import { UnreadableError } from "./images/errors.js";
import { decode } from "./images/decode.js";
import { preprocessed } from "./images/resample.js";
import { screen } from "./images/screening.js";
import { fetched, inflated } from "./model/download.js";

const RUNTIME = new URL("../vendor/onnxruntime-web/ort-wasm-simd-threaded.wasm.gz", import.meta.url);
const MODEL = new URL("../model/model.onnx", import.meta.url);
const WANTED = ["logits", "evidence", "affect"]; // not the embedding
const MOST_THREADS = 4;

let card = null;
let session = null;

async function open(description) {
  card = description;
  const parts = { runtime: [0, 0], model: [0, 0] };
  const report = (name) => (loaded, total) => {
    parts[name] = [loaded, total];
    const sum = (i) => Object.values(parts).reduce((all, part) => all + part[i], 0);
    postMessage({ kind: "loading", loaded: sum(0), total: sum(1) });
  };
  const [runtime, model] = await Promise.all([
    fetched(RUNTIME, report("runtime")).then(inflated),
    fetched(MODEL, report("model")),
  ]);
  await verify(model);
  ort.env.wasm.wasmBinary = runtime;
  // More threads need isolation from other origins, which static hosts seldom give.
  ort.env.wasm.numThreads = self.crossOriginIsolated
    ? Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1)
    : 1;
  ort.env.logLevel = "error";
  session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
  postMessage({ kind: "ready" });
}

async function verify(model) {
  const found = await sha256(model);
  if (found !== null && found !== card.sha256) {
    throw new Error("model.onnx is not the file that model.json describes: copy the page again");
  }
}

/** Return the hash of bytes; `null` where the page is neither on https nor on this machine. */
async function sha256(bytes) {
  if (!globalThis.crypto?.subtle) return null;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function leastSize({ width, height, jpeg_min_scale: scale }) {
  return scale === 0 ? null : [Math.ceil(width * scale), Math.ceil(height * scale)];
}

async function computed(file, wantsPixels) {
  const data = new Uint8Array(await file.arrayBuffer());
  const shape = card.preprocessing;
  const picture = await decode(data, leastSize(shape));
  const pixels = preprocessed(picture, shape);
  const input = new ort.Tensor("uint8", pixels, [1, shape.height, shape.width, 3]);
  const names = WANTED.filter((name) => session.outputNames.includes(name));
  const outputs = await session.run({ image: input }, names);
  const { logits, evidence, affect } = outputs;
  return {
    sha256: await sha256(data),
    size: picture.size,
    warnings: [...picture.notes, ...screen(pixels, shape.width, shape.height)],
    logits: logits.data.slice(),
    affect: affect ? Array.from(affect.data) : null,
    evidence: evidence ? { data: evidence.data.slice(), dims: evidence.dims } : null,
    pixels: wantsPixels ? pixels : null,
  };
}

async function answer({ kind, id, file, card: description, wantsPixels }) {
  if (kind === "open") return open(description);
  try {
    postMessage({ kind: "computed", id, computed: await computed(file, wantsPixels) });
  } catch (error) {
    const message = error instanceof UnreadableError ? error.message : `cannot be computed: ${error.message}`;
    postMessage({ kind: "failed", id, message });
  }
}

let last = Promise.resolve();
self.onmessage = ({ data }) => {
  last = last.then(() => answer(data)).catch((error) => {
    postMessage({ kind: "broken", message: error.message });
  });
};
