// Encoded images to upright RGB: JPEGs by the page's own code, all others by the browser.

import { decodeJpeg, isJpeg, readHeader, scaleFor } from "./jpeg.js";
import { UnreadableError, UnsupportedError } from "./errors.js";
import { orientationOf, upright } from "./orientation.js";
import { joined, toSrgb } from "./profiles.js";
import { reduced } from "./resample.js";

export const LIMITS = { bytes: 256 * 1024 * 1024, pixels: 100_000_000 };

/**
 * Return the picture of an encoded file, upright RGB in sRGB on white.
 *
 * @param {Uint8Array} data the file.
 * @param {?number[]} least width and height that a scaled JPEG decode must not fall below.
 * @returns {Promise<{width, height, pixels, size: number[], notes: string[]}>} `size` as stored,
 *   after orientation.
 * @throws {UnreadableError} with a line for the user.
 */
export async function decode(data, least) {
  if (!data.length) throw new UnreadableError("the file is empty");
  if (data.length > LIMITS.bytes) throw new UnreadableError("the file is larger than 256 MB");
  if (!isJpeg(data)) return byBrowser(data, null);
  let header;
  try {
    header = readHeader(data);
    return byOwnCode(data, header, least);
  } catch (error) {
    if (!(error instanceof UnsupportedError)) throw error;
    return byBrowser(data, header?.tables.frame ? { ...header.tables, least } : null);
  }
}

function byOwnCode(data, header, least) {
  const { tables } = header;
  const { frame } = tables;
  const orientation = orientationOf(tables.exif);
  const sideways = orientation >= 5;
  const scale = scaleFor(frame, sideways && least ? [least[1], least[0]] : least);
  checkPixels(frame.width / scale, frame.height / scale);
  const profile = joined(tables.profile);
  const convert = profile ? toSrgb(profile) : null;
  const picture = decodeJpeg(data, header, scale);
  convert?.(picture.pixels);
  const size = [frame.width, frame.height];
  return { ...upright(picture, orientation), size: sideways ? size.reverse() : size, notes: [] };
}

async function byBrowser(data, jpeg) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(new Blob([data]));
  } catch {
    throw new UnreadableError(`${kindOf(data)}: this browser cannot show it as an image`);
  }
  checkPixels(bitmap.width, bitmap.height);
  const { width, height } = bitmap;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true, alpha: false });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const rgba = context.getImageData(0, 0, width, height).data;
  const pixels = new Uint8Array(3 * width * height);
  for (let i = 0, o = 0; o < pixels.length; i += 4) {
    pixels[o++] = rgba[i];
    pixels[o++] = rgba[i + 1];
    pixels[o++] = rgba[i + 2];
  }
  const picture = { width, height, pixels };
  const scale = jpeg ? scaleFor(picture, jpeg.least) : 1; // about what a scaled decode gives
  return { ...reduced(picture, scale, scale), size: [width, height], notes: await notesOn(data) };
}

function checkPixels(width, height) {
  if (width * height > LIMITS.pixels) {
    throw new UnreadableError(`${width} x ${height} pixels: more than 100 million; make it smaller`);
  }
}

async function notesOn(data) {
  const type = { GIF8: "image/gif", "\x89PNG": "image/png", RIFF: "image/webp" }[begin(data)];
  if (!type || typeof ImageDecoder === "undefined") return [];
  const decoder = new ImageDecoder({ data, type });
  try {
    await decoder.tracks.ready;
    return decoder.tracks.selectedTrack?.animated ? ["animated: first frame"] : [];
  } catch {
    return [];
  } finally {
    decoder.close();
  }
}

const begin = (data) => String.fromCharCode(...data.subarray(0, 4));

function kindOf(data) {
  const brand = String.fromCharCode(...data.subarray(4, 12));
  if (/^ftyp(hei|hev|mif|msf)/.test(brand)) return "a HEIC photograph";
  if (["II*\0", "MM\0*"].includes(begin(data))) return "a TIFF";
  if (begin(data) === "%PDF") return "a PDF";
  return "not a picture, or damaged";
}
