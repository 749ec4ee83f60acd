// A picture with its evidence over it.

import { drawEvidence } from "./evidence.js";
import { element, setStyle } from "../dom.js";

const THUMBNAIL = 640;

/** Return a frame that `showEvidence` can draw into; the picture comes when it is decoded. */
export function framed(item) {
  const frame = element("span", { class: "frame" });
  thumbnail(item).then(
    ({ address, ratio }) => {
      setStyle(frame, { "--ratio": String(ratio) });
      frame.classList.toggle("wide", ratio > 4 / 3);
      frame.prepend(element("img", { src: address, alt: "", decoding: "async" }));
    },
    () => frame.prepend(element("span", { class: "no-picture" }, "this browser cannot show it")),
  );
  return frame;
}

/** Put a label's evidence over a frame, or remove it where there is none. */
export function showEvidence(frame, answer, label) {
  frame.querySelector("canvas")?.remove();
  frame.classList.toggle("with-evidence", Boolean(label));
  if (!label || !answer?.evidence?.values[label]) return;
  const canvas = element("canvas", { "aria-hidden": "true" });
  drawEvidence(canvas, answer.evidence, label);
  frame.append(canvas);
}

/** Return the address and the ratio of sides of a small copy, made once: thirty photographs of a camera fill a memory. */
function thumbnail(item) {
  item.thumbnail ??= shrunk(item.file);
  return item.thumbnail;
}

async function shrunk(file) {
  const whole = await createImageBitmap(file);
  const scale = Math.min(1, THUMBNAIL / Math.max(whole.width, whole.height));
  const ratio = whole.width / whole.height;
  if (scale === 1) {
    whole.close();
    return { address: URL.createObjectURL(file), ratio };
  }
  const canvas = new OffscreenCanvas(
    Math.max(1, Math.round(whole.width * scale)),
    Math.max(1, Math.round(whole.height * scale)),
  );
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(whole, 0, 0, canvas.width, canvas.height);
  whole.close();
  const blob = await canvas.convertToBlob({ type: "image/webp", quality: 0.85 });
  return { address: URL.createObjectURL(blob), ratio };
}
