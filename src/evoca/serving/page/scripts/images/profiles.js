// Embedded colour profiles of three curves and a matrix, or one curve of grey, to sRGB
// (ICC.1:2022). Profiles that are tables are left to the browser.

import { UnsupportedError } from "./errors.js";

// sRGB's primaries relative to the white D50 of profiles (IEC 61966-2-1, Bradford-adapted).
const SRGB = [
  [0.43607, 0.38515, 0.14307],
  [0.22249, 0.71687, 0.06061],
  [0.01392, 0.09708, 0.7141],
];
const SAME = 2; // levels: an sRGB profile of another maker differs by the rounding of its curves

/** Return the body of a profile from its parts in segments; `null` where there is none. */
export function joined(parts) {
  if (!parts.length) return null;
  const ordered = [...parts].sort((a, b) => a.place - b.place).map((part) => part.body);
  const whole = new Uint8Array(ordered.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of ordered) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/**
 * Return a function that converts RGB pixels in place; `null` where they are sRGB already.
 *
 * @throws {UnsupportedError} a profile of tables, of inks, or a damaged one.
 */
export function toSrgb(profile) {
  const tags = tagsOf(profile);
  const grey = text(profile, 16, 4) === "GRAY";
  if (!grey && (text(profile, 16, 4) !== "RGB " || "A2B0" in tags || !("rXYZ" in tags))) {
    throw new UnsupportedError("a colour profile of tables");
  }
  const curves = (grey ? ["kTRC", "kTRC", "kTRC"] : ["rTRC", "gTRC", "bTRC"]).map((name) =>
    curveOf(profile, tags[name]),
  );
  const own = grey ? null : transposed(["rXYZ", "gXYZ", "bXYZ"].map((name) => xyz(profile, tags[name])));
  const matrix = own && multiplied(inverse(SRGB), own);
  const convert = converter(curves, matrix);
  return changesNothing(convert) ? null : convert;
}

function tagsOf(profile) {
  if (profile.length < 132) throw new UnsupportedError("a damaged colour profile");
  const view = viewOf(profile);
  const tags = {};
  const count = Math.min(view.getUint32(128), 200);
  for (let i = 0; i < count && 144 + 12 * i <= profile.length; i++) {
    const at = 132 + 12 * i;
    const offset = view.getUint32(at + 4);
    const size = view.getUint32(at + 8);
    if (offset + size <= profile.length) tags[text(profile, at, 4)] = offset;
  }
  return tags;
}

const viewOf = (data) => new DataView(data.buffer, data.byteOffset, data.byteLength);
const text = (data, at, length) => String.fromCharCode(...data.subarray(at, at + length));
const fixed = (view, at) => view.getInt32(at) / 65536;

function xyz(profile, at) {
  const view = viewOf(profile);
  return [8, 12, 16].map((offset) => fixed(view, at + offset));
}

/** Return the linear light 0..1 of each of 256 levels. */
function curveOf(profile, at) {
  if (at === undefined) throw new UnsupportedError("a colour profile without curves");
  const view = viewOf(profile);
  const kind = text(profile, at, 4);
  let curve;
  if (kind === "para") curve = parametric(view, at);
  else if (kind === "curv") curve = sampled(view, at);
  else throw new UnsupportedError(`a colour profile with curves of ${kind}`);
  return Float64Array.from({ length: 256 }, (_, level) => Math.min(Math.max(curve(level / 255), 0), 1));
}

function sampled(view, at) {
  const count = view.getUint32(at + 8);
  if (count === 0) return (x) => x;
  if (count === 1) {
    const gamma = view.getUint16(at + 12) / 256;
    return (x) => x ** gamma;
  }
  const point = (i) => view.getUint16(at + 12 + 2 * i) / 65535;
  return (x) => {
    const place = x * (count - 1);
    const low = Math.min(Math.floor(place), count - 2);
    return point(low) + (place - low) * (point(low + 1) - point(low));
  };
}

function parametric(view, at) {
  const kind = view.getUint16(at + 8);
  const values = Array.from({ length: [1, 3, 4, 5, 7][kind] ?? 0 }, (_, i) => fixed(view, at + 12 + 4 * i));
  const [g, a = 1, b = 0, c = 0, d = 0, e = 0, f = 0] = values;
  if (kind === 0) return (x) => x ** g;
  if (kind === 1) return (x) => (x >= -b / a ? (a * x + b) ** g : 0);
  if (kind === 2) return (x) => (x >= -b / a ? (a * x + b) ** g + c : c);
  if (kind === 3) return (x) => (x >= d ? (a * x + b) ** g : c * x);
  if (kind === 4) return (x) => (x >= d ? (a * x + b) ** g + e : c * x + f);
  throw new UnsupportedError("a colour profile with unknown curves");
}

const LEVELS = 16384;
const ENCODED = Uint8Array.from({ length: LEVELS + 1 }, (_, i) => {
  const light = i / LEVELS;
  const coded = light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055;
  return Math.round(255 * coded);
});
const encode = (light) => ENCODED[Math.round(Math.min(Math.max(light, 0), 1) * LEVELS)];

function converter([red, green, blue], matrix) {
  return (pixels) => {
    for (let i = 0; i < pixels.length; i += 3) {
      const [r, g, b] = [red[pixels[i]], green[pixels[i + 1]], blue[pixels[i + 2]]];
      if (!matrix) {
        pixels[i] = pixels[i + 1] = pixels[i + 2] = encode(r);
        continue;
      }
      for (let c = 0; c < 3; c++) {
        pixels[i + c] = encode(matrix[c][0] * r + matrix[c][1] * g + matrix[c][2] * b);
      }
    }
    return pixels;
  };
}

/** Return whether a conversion leaves a cube of colours unchanged, as in Python. */
function changesNothing(convert) {
  const cube = [];
  for (let i = 0; i < 18 ** 3; i++) {
    cube.push(...[i % 18, Math.floor(i / 18) % 18, Math.floor(i / 324)].map((v) => v * 15));
  }
  const after = convert(Uint8Array.from(cube));
  return after.every((value, i) => Math.abs(value - cube[i]) <= SAME);
}

const transposed = (m) => m[0].map((_, i) => m.map((row) => row[i]));
const multiplied = (a, b) =>
  a.map((row) => b[0].map((_, j) => row.reduce((sum, value, k) => sum + value * b[k][j], 0)));

function inverse([[a, b, c], [d, e, f], [g, h, i]]) {
  const determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
  return [
    [e * i - f * h, c * h - b * i, b * f - c * e],
    [f * g - d * i, a * i - c * g, c * d - a * f],
    [d * h - e * g, b * g - a * h, a * e - b * d],
  ].map((row) => row.map((value) => value / determinant));
}
