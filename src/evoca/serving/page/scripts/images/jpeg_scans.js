// The coefficients of a JPEG: sequential and progressive scans (ITU-T T.81, annexes F and G).

import { BitReader } from "./jpeg_bits.js";
import { UnreadableError } from "./errors.js";
import { ZIGZAG } from "./jpeg_headers.js";

/** Read one scan; `block(component, row, column)` is the place of 64 coefficients, `done` its end. */
export function readScan(data, tables, scan, grid, block, done) {
  const reader = new BitReader(data, scan.at);
  const state = { reader, scan, run: 0 };
  const read = decoderOf(tables.frame, state);
  const interval = tables.restartInterval;
  for (const part of scan.components) part.component.previous = 0;
  let left = interval || Infinity;
  for (const unit of units(scan, grid)) {
    if (left === 0) {
      if (!reader.restart()) throw new UnreadableError("the file is damaged: a restart is missing");
      for (const part of scan.components) part.component.previous = 0;
      state.run = 0;
      left = interval;
    }
    left -= 1;
    for (let i = 0; i < unit.length; i += 3) {
      const part = scan.components[unit[i]];
      const place = block(part.component, unit[i + 1], unit[i + 2]);
      read(part, place.values, place.at);
      done?.(part.component, unit[i + 1], unit[i + 2]);
    }
  }
  reader.check();
  return reader.at;
}

/** Yield the units between which a restart may stand: part, row, column of each block in one. */
function* units(scan, { columns, rows }) {
  if (scan.components.length === 1) {
    const { component } = scan.components[0];
    const unit = new Int32Array(3);
    for (let row = 0; row < component.blockRows; row++) {
      for (let column = 0; column < component.blockColumns; column++) {
        unit[1] = row;
        unit[2] = column;
        yield unit;
      }
    }
    return;
  }
  const shape = scan.components.flatMap(({ component: { h, v } }, part) =>
    Array.from({ length: h * v }, (_, i) => [part, h, v, Math.floor(i / h), i % h]),
  );
  const unit = new Int32Array(3 * shape.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      for (let i = 0; i < shape.length; i++) {
        const [part, h, v, down, right] = shape[i];
        unit[3 * i] = part;
        unit[3 * i + 1] = row * v + down;
        unit[3 * i + 2] = column * h + right;
      }
      yield unit;
    }
  }
}

function decoderOf({ progressive }, state) {
  const { scan } = state;
  if (!progressive) return (part, values, at) => sequential(state.reader, part, values, at);
  const [from, to] = scan.spectral;
  const [before, low] = scan.approximation;
  const { reader } = state;
  if (from === 0) {
    return before
      ? (part, values, at) => { values[at] |= reader.take(1) << low; }
      : (part, values, at) => {
          const size = reader.symbol(part.dc);
          if (size) part.component.previous += reader.signed(size);
          values[at] = part.component.previous << low;
        };
  }
  const step = before ? refineAc : firstAc;
  return (part, values, at) => step(state, part.ac, values, at, from, to, low);
}

function sequential(reader, { component, dc, ac }, values, at) {
  const size = reader.symbol(dc);
  if (size) component.previous += reader.signed(size);
  values[at] = component.previous;
  for (let k = 1; k < 64; k++) {
    const code = reader.symbol(ac);
    const length = code & 15;
    if (length === 0) {
      if (code !== 0xf0) return;
      k += 15;
      continue;
    }
    k += code >> 4;
    values[at + ZIGZAG[k]] = reader.signed(length);
  }
}

function firstAc(state, table, values, at, from, to, low) {
  if (state.run) {
    state.run -= 1;
    return;
  }
  const { reader } = state;
  for (let k = from; k <= to; k++) {
    const code = reader.symbol(table);
    const length = code & 15;
    const skip = code >> 4;
    if (length === 0) {
      if (skip < 15) {
        state.run = (1 << skip) - 1 + reader.take(skip);
        return;
      }
      k += 15;
      continue;
    }
    k += skip;
    values[at + ZIGZAG[k]] = reader.signed(length) * (1 << low);
  }
}

function refineAc(state, table, values, at, from, to, low) {
  const { reader } = state;
  const bit = 1 << low;
  let k = from;
  if (!state.run) {
    for (; k <= to; k++) {
      const code = reader.symbol(table);
      let skip = code >> 4;
      let value = 0;
      if (code & 15) value = reader.take(1) ? bit : -bit;
      else if (skip < 15) {
        state.run = (1 << skip) + reader.take(skip);
        break;
      }
      k = refined(reader, values, at, k, to, bit, skip);
      if (value && k <= to) values[at + ZIGZAG[k]] = value;
    }
  }
  if (state.run) {
    refined(reader, values, at, k, to, bit, 64);
    state.run -= 1;
  }
}

/** Refine coefficients from `k` until `skip` zeros were passed; return the place after them. */
function refined(reader, values, at, k, to, bit, skip) {
  for (; k <= to; k++) {
    const place = at + ZIGZAG[k];
    const value = values[place];
    if (value === 0) {
      if (skip === 0) break;
      skip -= 1;
    } else if (reader.take(1) && !(Math.abs(value) & bit)) values[place] += value > 0 ? bit : -bit;
  }
  return k;
}
