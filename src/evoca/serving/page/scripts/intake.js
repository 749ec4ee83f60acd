// Where pictures come from: files, folders, drops, the clipboard, the camera.

import { $ } from "./dom.js";

const IMAGE = /\.(jpe?g|png|webp|gif|bmp|avif|tiff?|hei[cf]|jfif)$/i;
const isImage = (file) => file.type.startsWith("image/") || IMAGE.test(file.name);

/** Call `take([{name, file}])` for whatever the visitor gives; `say` shows a line. */
export function listen(take, say) {
  const give = (found) => {
    const pictures = found.filter(({ file }) => isImage(file));
    if (found.length && !pictures.length) say("No pictures among these files.");
    if (pictures.length) take(pictures);
  };
  for (const input of [$("files"), $("folders")]) {
    input.addEventListener("change", () => {
      give([...input.files].map((file) => ({ name: file.webkitRelativePath || file.name, file })));
      input.value = "";
    });
  }
  listenToDrops(give);
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    give(files.map((file) => ({ name: file.name || "pasted.png", file })));
  });
  listenToCamera(give, say);
}

function listenToDrops(give) {
  const veil = $("drop");
  let depth = 0; // enters and leaves of nested elements
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  const show = (by) => {
    depth = Math.max(0, depth + by);
    veil.hidden = depth === 0;
  };
  addEventListener("dragenter", (event) => hasFiles(event) && show(1));
  addEventListener("dragleave", (event) => hasFiles(event) && show(-1));
  addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  addEventListener("drop", async (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    show(-depth);
    give(await dropped(event.dataTransfer));
  });
}

async function dropped(transfer) {
  // Entries must be taken before the first wait: the transfer is emptied after the event.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ name: file.name, file }));
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return found;
}

async function walk(entry, found) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push({ name: entry.fullPath.replace(/^\//, ""), file });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!part.length) return; // a reader gives a folder in parts
    for (const one of part) await walk(one, found);
  }
}

function listenToCamera(give, say) {
  const dialog = $("camera");
  const video = dialog.querySelector("video");
  let stream = null;
  dialog.addEventListener("close", () => {
    stream?.getTracks().forEach((track) => track.stop());
    stream = video.srcObject = null;
  });
  dialog.querySelector("[data-camera=close]").addEventListener("click", () => dialog.close());
  dialog.querySelector("[data-camera=take]").addEventListener("click", async () => {
    const file = await frameOf(video);
    dialog.close();
    give([{ name: file.name, file }]);
  });
  addEventListener("evoca:camera", async () => {
    if (!navigator.mediaDevices?.getUserMedia) {
      say("The camera needs https, or a page on this machine.");
      return;
    }
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      video.srcObject = stream;
      dialog.showModal();
    } catch (error) {
      say(`No camera: ${error.name === "NotAllowedError" ? "its use was not allowed" : error.message}.`);
    }
  });
}

async function frameOf(video) {
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  canvas.getContext("2d").drawImage(video, 0, 0);
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 });
  const time = new Date().toTimeString().slice(0, 8).replaceAll(":", "");
  return new File([blob], `camera-${time}.jpg`, { type: "image/jpeg" });
}
