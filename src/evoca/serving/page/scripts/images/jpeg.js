// JPEG to RGB at full or reduced scale, equal in every bit to libjpeg-turbo as Pillow uses it.
//
// A browser's own decoder knows no reduced scale in its public interface, differs between makers,
// and its canvas may add noise against fingerprinting; a model then sees other pixels than in Python.

import { TRANSFORMS } from "./jpeg_transforms.js";
import { UnreadableError, UnsupportedError } from "./errors.js";
import { Tables, colourSpace } from "./jpeg_headers.js";
import { readScan } from "./jpeg_scans.js";
import { upsampled } from "./jpeg_upsampling.js";

const up = (value, by) => Math.ceil(value / by);

/** Return whether bytes begin as a JPEG does. */
export const isJpeg = (data) => data[0] === 0xff && data[1] === 0xd8 && data[2] === 0xff;

/** Return the tables of a JPEG up to its first scan, and that scan. */
export function readHeader(data) {
  const tables = new Tables();
  const scan = tables.nextScan(data, 2);
  if (!scan) throw new UnreadableError("the file is truncated: part of the image is missing");
  return { tables, scan };
}

/** Return the scale 8, 4, 2 or 1 (an 8th to all of the size) as Pillow's `draft` chooses it. */
export function scaleFor({ width, height }, least) {
  if (!least) return 1;
  const scale = Math.min(Math.floor(width / least[0]), Math.floor(height / least[1]));
  return [8, 4, 2].find((step) => scale >= step) ?? 1;
}

/**
 * Return the picture of a JPEG.
 *
 * @param {Uint8Array} data the file.
 * @param {{tables: Tables, scan: object}} header from `readHeader`.
 * @param {number} scale 1, 2, 4 or 8: the divisor of width and height.
 * @returns {{width: number, height: number, pixels: Uint8Array}} RGB, not yet upright.
 */
export function decodeJpeg(data, { tables, scan }, scale) {
  const { frame } = tables;
  const grid = layOut(frame, 8 / scale);
  if (frame.progressive) decodeProgressive(data, tables, scan, grid);
  else decodeSequential(data, tables, scan, grid);
  const width = up(frame.width, scale);
  const height = up(frame.height, scale);
  const planes = frame.components.map((component) => upsampled(component, grid, width, height));
  return { width, height, pixels: toRgb(planes, colourSpace(tables), tables.adobe, width * height) };
}

function layOut(frame, size) {
  const { width, height, components } = frame;
  const h = Math.max(...components.map((component) => component.h));
  const v = Math.max(...components.map((component) => component.v));
  const grid = { h, v, size, columns: up(width, 8 * h), rows: up(height, 8 * v) };
  for (const one of components) {
    // A component stored at half the resolution is reduced less, instead of enlarged afterwards.
    let own = size;
    while (own < 8 && (h * size) % (one.h * own * 2) === 0 && (v * size) % (one.v * own * 2) === 0) {
      own *= 2;
    }
    one.size = own;
    one.blockColumns = up(up(width * one.h, h), 8);
    one.blockRows = up(up(height * one.v, v), 8);
    one.stride = grid.columns * one.h * own;
    one.samples = new Uint8Array(one.stride * grid.rows * one.v * own);
    one.width = up(width * one.h * own, h * 8);
    one.height = up(height * one.v * own, v * 8);
  }
  return grid;
}

const scaled = new Int32Array(64);

function transform(component, values, at, row, column) {
  const { table, size, stride } = component;
  for (let i = 0; i < 64; i++) scaled[i] = values[at + i] * table[i];
  TRANSFORMS[size](scaled, component.samples, row * size * stride + column * size, stride);
}

function decodeSequential(data, tables, scan, grid) {
  const place = { values: new Int32Array(64), at: 0 };
  const fresh = () => {
    place.values.fill(0);
    return place;
  };
  const seen = new Set();
  const done = (component, row, column) => transform(component, place.values, 0, row, column);
  for (let next = scan; next; ) {
    for (const { component } of next.components) seen.add(component);
    const end = readScan(data, tables, next, grid, fresh, done);
    if (seen.size === tables.frame.components.length) return;
    next = tables.nextScan(data, end);
  }
  throw new UnreadableError("the file is truncated: part of the image is missing");
}

function decodeProgressive(data, tables, scan, grid) {
  const place = { values: null, at: 0 };
  for (const one of tables.frame.components) {
    one.across = grid.columns * one.h;
    one.coefficients = new Int16Array(64 * one.across * grid.rows * one.v);
  }
  const stored = (component, row, column) => {
    place.values = component.coefficients;
    place.at = 64 * (row * component.across + column);
    return place;
  };
  for (let next = scan; next; ) {
    const end = readScan(data, tables, next, grid, stored, null);
    next = tables.nextScan(data, end);
  }
  for (const one of tables.frame.components) {
    if (!one.table) throw new UnreadableError("the file is truncated: part of the image is missing");
    const down = grid.rows * one.v;
    for (let row = 0; row < down; row++) {
      for (let column = 0; column < one.across; column++) {
        transform(one, one.coefficients, 64 * (row * one.across + column), row, column);
      }
    }
    one.coefficients = null;
  }
}

const clip = (value) => (value < 0 ? 0 : value > 255 ? 255 : value);
const fix = (value) => Math.floor(value * 65536 + 0.5);
const HALF = 32768;
const RED = fix(1.402), BLUE = fix(1.772), GREEN_R = -fix(0.71414), GREEN_B = -fix(0.34414);

function toRgb(planes, space, adobe, count) {
  const out = new Uint8Array(3 * count);
  const [a, b, c, d] = planes;
  if (space === "grey") {
    for (let i = 0, o = 0; i < count; i++, o += 3) out[o] = out[o + 1] = out[o + 2] = a[i];
  } else if (space === "rgb") {
    for (let i = 0, o = 0; i < count; i++) {
      out[o++] = a[i];
      out[o++] = b[i];
      out[o++] = c[i];
    }
  } else if (space === "ycc") {
    for (let i = 0, o = 0; i < count; i++, o += 3) {
      const cb = b[i] - 128;
      const cr = c[i] - 128;
      out[o] = clip(a[i] + ((RED * cr + HALF) >> 16));
      out[o + 1] = clip(a[i] + ((GREEN_B * cb + HALF + GREEN_R * cr) >> 16));
      out[o + 2] = clip(a[i] + ((BLUE * cb + HALF) >> 16));
    }
  } else {
    throw new UnsupportedError(`${space}, ${adobe}, ${d.length}`); // inks: by the browser
  }
  return out;
}
