// The segments of a JPEG file up to its scans (ITU-T T.81, annex B; JFIF; Adobe TN 5116).

import { HuffmanTable } from "./jpeg_bits.js";
import { UnreadableError, UnsupportedError } from "./errors.js";

export const ZIGZAG = new Uint8Array([
  0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
  13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52,
  45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
  63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, // a damaged run goes past the end
]);

const SOF = { 0xc0: "sequential", 0xc1: "sequential", 0xc2: "progressive" };
const STANDALONE = (marker) => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8);

/** What the segments of a JPEG say; `frame` is `null` until its header was read. */
export class Tables {
  constructor() {
    this.quantisation = [];
    this.huffman = { dc: [], ac: [] };
    this.restartInterval = 0;
    this.frame = null;
    this.adobe = null; // the transform of the Adobe segment
    this.jfif = false;
    this.exif = null;
    this.profile = []; // parts of the ICC profile
  }

  /**
   * Read segments from `at` up to a start of scan.
   *
   * @returns {?{components: object[], spectral: number[], approximation: number[], at: number}}
   *   the scan, whose data begin at `at`; `null` at the end of the image.
   */
  nextScan(data, at) {
    for (;;) {
      while (at < data.length && data[at] !== 0xff) at++;
      while (data[at] === 0xff) at++;
      if (at >= data.length) return null;
      const marker = data[at++];
      if (marker === 0xd9) return null;
      if (marker === 0 || STANDALONE(marker)) continue;
      const length = (data[at] << 8) | data[at + 1];
      const body = data.subarray(at + 2, at + length);
      if (!(length >= 2) || at + length > data.length) {
        throw new UnreadableError("the file is truncated: part of the image is missing");
      }
      at += length;
      if (marker === 0xda) return this.#scan(body, at);
      this.#segment(marker, body);
    }
  }

  #segment(marker, body) {
    if (marker === 0xdb) this.#quantisation(body);
    else if (marker === 0xc4) this.#huffman(body);
    else if (marker === 0xdd) this.restartInterval = (body[0] << 8) | body[1];
    else if (marker in SOF) this.#frame(body, SOF[marker] === "progressive");
    else if (marker >= 0xc3 && marker <= 0xcf && marker !== 0xc8 && marker !== 0xcc) {
      throw new UnsupportedError("a lossless, hierarchical or arithmetic JPEG");
    } else if (marker === 0xe0 && starts(body, "JFIF\0")) this.jfif = true;
    else if (marker === 0xe1 && starts(body, "Exif\0\0")) this.exif ??= body.subarray(6);
    else if (marker === 0xe2 && starts(body, "ICC_PROFILE\0")) {
      this.profile.push({ place: body[12], body: body.subarray(14) });
    } else if (marker === 0xee && starts(body, "Adobe") && body.length >= 12) {
      this.adobe = body[11];
    }
  }

  #quantisation(body) {
    for (let at = 0; at < body.length; ) {
      const wide = body[at] >> 4;
      const table = new Uint16Array(64); // in the order of rows
      const target = body[at++] & 15;
      for (let k = 0; k < 64; k++) {
        table[ZIGZAG[k]] = wide ? (body[at++] << 8) | body[at++] : body[at++];
      }
      this.quantisation[target] = table;
    }
  }

  #huffman(body) {
    for (let at = 0; at + 17 <= body.length; ) {
      const kind = body[at] >> 4 ? "ac" : "dc";
      const target = body[at++] & 15;
      const counts = body.subarray(at, at + 16);
      at += 16;
      const total = counts.reduce((sum, count) => sum + count, 0);
      this.huffman[kind][target] = new HuffmanTable(counts, body.slice(at, at + total));
      at += total;
    }
  }

  #frame(body, progressive) {
    if (this.frame) throw new UnsupportedError("a JPEG with several frames");
    if (body[0] !== 8) throw new UnsupportedError(`a JPEG of ${body[0]} bits`);
    const height = (body[1] << 8) | body[2];
    const width = (body[3] << 8) | body[4];
    const components = [];
    for (let i = 0; i < body[5]; i++) {
      const [id, sampling, quantisation] = body.subarray(6 + 3 * i, 9 + 3 * i);
      components.push({ id, h: sampling >> 4, v: sampling & 15, quantisation, table: null });
    }
    const legal = components.every(({ h, v }) => h >= 1 && h <= 4 && v >= 1 && v <= 4);
    if (!width || !height || ![1, 3, 4].includes(components.length) || !legal) {
      throw new UnsupportedError("a JPEG of an unusual layout");
    }
    this.frame = { width, height, progressive, components };
  }

  #scan(body, at) {
    if (!this.frame) throw new UnreadableError("the file is damaged: a scan before its header");
    const count = body[0];
    const components = [];
    for (let i = 0; i < count; i++) {
      const component = this.frame.components.find(({ id }) => id === body[1 + 2 * i]);
      if (!component) throw new UnreadableError("the file is damaged: an unknown component");
      // The first scan of a component fixes its table; later ones may be redefined.
      component.table ??= this.quantisation[component.quantisation];
      if (!component.table) throw new UnreadableError("the file is damaged: a table is missing");
      const tables = body[2 + 2 * i];
      const dc = this.huffman.dc[tables >> 4];
      const ac = this.huffman.ac[tables & 15];
      components.push({ component, dc, ac });
    }
    const [from, to, steps] = body.subarray(1 + 2 * count);
    return { components, spectral: [from, to], approximation: [steps >> 4, steps & 15], at };
  }
}

function starts(body, text) {
  return [...text].every((letter, i) => body[i] === letter.charCodeAt(0));
}

/** Return how the components are to be read: `grey`, `rgb`, `ycc`, `cmyk` or `ycck`, as libjpeg. */
export function colourSpace({ frame, jfif, adobe }) {
  const ids = frame.components.map(({ id }) => id);
  if (ids.length === 1) return "grey";
  if (ids.length === 4) return adobe === 2 ? "ycck" : "cmyk";
  if (jfif) return "ycc";
  if (adobe !== null) return adobe === 0 ? "rgb" : "ycc";
  return ids.join() === "82,71,66" ? "rgb" : "ycc";
}
