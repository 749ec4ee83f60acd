// Bits and Huffman codes of a JPEG scan (ITU-T T.81, annexes C and F).

import { UnreadableError } from "./errors.js";

const LOOKUP_BITS = 9;

/** A Huffman table: `counts[i]` codes of length i + 1, and the symbols in their order. */
export class HuffmanTable {
  constructor(counts, symbols) {
    this.symbols = symbols;
    this.lookup = new Uint16Array(1 << LOOKUP_BITS); // length << 8 | symbol; 0 where longer
    this.largest = new Int32Array(18).fill(-1); // of the codes of each length
    this.offset = new Int32Array(18);
    let code = 0;
    let at = 0;
    for (let length = 1; length <= 16; length++) {
      this.offset[length] = at - code;
      for (let i = 0; i < counts[length - 1]; i++) this.#add(code++, length, symbols[at++]);
      if (counts[length - 1]) this.largest[length] = code - 1;
      code <<= 1;
    }
  }

  #add(code, length, symbol) {
    if (length > LOOKUP_BITS) return;
    const first = code << (LOOKUP_BITS - length);
    const last = first + (1 << (LOOKUP_BITS - length));
    this.lookup.fill((length << 8) | symbol, first, last);
  }
}

/** The bits of a scan up to its next marker; after it zeros, as libjpeg reads them. */
export class BitReader {
  constructor(data, at) {
    this.data = data;
    this.at = at;
    this.bits = 0;
    this.count = 0;
    this.padding = 0; // zeros that were put in because the data ended
  }

  #fill() {
    const data = this.data;
    while (this.count <= 16) {
      let byte = 0;
      if (this.at >= data.length) {
        this.padding += 8;
      } else {
        byte = data[this.at];
        if (byte !== 0xff) this.at += 1;
        else if (data[this.at + 1] === 0) this.at += 2;
        else {
          byte = 0;
          this.padding += 8;
        }
      }
      this.bits = (this.bits << 8) | byte;
      this.count += 8;
    }
  }

  /** Return the next `length` bits (0..16) as a number. */
  take(length) {
    if (this.count < length) this.#fill();
    this.count -= length;
    return (this.bits >>> this.count) & ((1 << length) - 1);
  }

  /** Return the next `length` bits as a signed number (T.81, EXTEND). */
  signed(length) {
    const value = this.take(length);
    return value < 1 << (length - 1) ? value - (1 << length) + 1 : value;
  }

  /** Return the next symbol of a Huffman table. */
  symbol(table) {
    if (this.count < 16) this.#fill();
    const ahead = (this.bits >>> (this.count - LOOKUP_BITS)) & ((1 << LOOKUP_BITS) - 1);
    const found = table.lookup[ahead];
    if (found) {
      this.count -= found >> 8;
      return found & 255;
    }
    for (let length = LOOKUP_BITS + 1; length <= 16; length++) {
      const code = (this.bits >>> (this.count - length)) & ((1 << length) - 1);
      if (code <= table.largest[length]) {
        this.count -= length;
        return table.symbols[table.offset[length] + code];
      }
    }
    throw new UnreadableError("the file is damaged: an unknown code in its JPEG data");
  }

  /** Go to after the next restart marker; `false` where another marker or the end comes first. */
  restart() {
    this.check();
    this.bits = this.count = this.padding = 0;
    const { data } = this;
    while (this.at + 1 < data.length && !(data[this.at] === 0xff && data[this.at + 1] > 0)) this.at++;
    while (data[this.at + 1] === 0xff) this.at++;
    const marker = data[this.at + 1];
    if (marker < 0xd0 || marker > 0xd7) return false;
    this.at += 2;
    return true;
  }

  /** Throw where bits were read that the file does not have. */
  check() {
    if (this.padding > this.count) {
      throw new UnreadableError("the file is truncated: part of the image is missing");
    }
  }
}
