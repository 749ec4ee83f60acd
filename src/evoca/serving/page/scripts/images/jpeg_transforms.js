// The inverse cosine transforms of libjpeg ("islow" and the reduced ones), in its fixed point:
// 8 x 8 coefficients become 8 x 8, 4 x 4, 2 x 2 or 1 x 1 samples, equal to it in every bit.
// Source: ITU-T T.81 A.3.3; Loeffler, Ligtenberg and Moschytz 1989 for the factorisation.

const CONST_BITS = 13;
const PASS1_BITS = 2;

const descale = (value, bits) => (value + (1 << (bits - 1))) >> bits;
const sample = (value) => (value < -128 ? 0 : value > 127 ? 255 : value + 128);
const put = (target, at, value, last) => {
  target[at] = last ? sample(value) : value;
};
const work = new Int32Array(64);

function full(block, out, at, stride) {
  for (let i = 0; i < 8; i++) butterfly(block, i, 8, work, i, 8, CONST_BITS - PASS1_BITS, false);
  for (let i = 0; i < 8; i++) {
    butterfly(work, 8 * i, 1, out, at + i * stride, 1, CONST_BITS + PASS1_BITS + 3, true);
  }
}

function butterfly(source, from, step, target, to, every, bits, last) {
  let z2 = source[from + 2 * step];
  let z3 = source[from + 6 * step];
  let z1 = (z2 + z3) * 4433;
  const even2 = z1 - z3 * 15137;
  const even3 = z1 + z2 * 6270;
  const even0 = (source[from] + source[from + 4 * step]) << CONST_BITS;
  const even1 = (source[from] - source[from + 4 * step]) << CONST_BITS;
  const t10 = even0 + even3;
  const t13 = even0 - even3;
  const t11 = even1 + even2;
  const t12 = even1 - even2;
  let t0 = source[from + 7 * step];
  let t1 = source[from + 5 * step];
  let t2 = source[from + 3 * step];
  let t3 = source[from + step];
  z1 = t0 + t3;
  z2 = t1 + t2;
  z3 = t0 + t2;
  let z4 = t1 + t3;
  const z5 = (z3 + z4) * 9633;
  t0 *= 2446;
  t1 *= 16819;
  t2 *= 25172;
  t3 *= 12299;
  z1 *= -7373;
  z2 *= -20995;
  z3 = z3 * -16069 + z5;
  z4 = z4 * -3196 + z5;
  t0 += z1 + z3;
  t1 += z2 + z4;
  t2 += z2 + z3;
  t3 += z1 + z4;
  put(target, to, descale(t10 + t3, bits), last);
  put(target, to + every, descale(t11 + t2, bits), last);
  put(target, to + 2 * every, descale(t12 + t1, bits), last);
  put(target, to + 3 * every, descale(t13 + t0, bits), last);
  put(target, to + 4 * every, descale(t13 - t0, bits), last);
  put(target, to + 5 * every, descale(t12 - t1, bits), last);
  put(target, to + 6 * every, descale(t11 - t2, bits), last);
  put(target, to + 7 * every, descale(t10 - t3, bits), last);
}

function reducedTo4(block, out, at, stride) {
  const once = CONST_BITS - PASS1_BITS + 1;
  for (let i = 0; i < 8; i++) if (i !== 4) four(block, i, 8, work, i, 8, once, false);
  const twice = CONST_BITS + PASS1_BITS + 3 + 1;
  for (let i = 0; i < 4; i++) four(work, 8 * i, 1, out, at + i * stride, 1, twice, true);
}

function four(source, from, step, target, to, every, bits, last) {
  const even = source[from] << (CONST_BITS + 1);
  const turn = source[from + 2 * step] * 15137 - source[from + 6 * step] * 6270;
  const z1 = source[from + 7 * step];
  const z2 = source[from + 5 * step];
  const z3 = source[from + 3 * step];
  const z4 = source[from + step];
  const odd0 = z1 * -1730 + z2 * 11893 + z3 * -17799 + z4 * 8697;
  const odd2 = z1 * -4176 + z2 * -4926 + z3 * 7373 + z4 * 20995;
  put(target, to, descale(even + turn + odd2, bits), last);
  put(target, to + every, descale(even - turn + odd0, bits), last);
  put(target, to + 2 * every, descale(even - turn - odd0, bits), last);
  put(target, to + 3 * every, descale(even + turn - odd2, bits), last);
}

function reducedTo2(block, out, at, stride) {
  const once = CONST_BITS - PASS1_BITS + 2;
  for (let i = 0; i < 8; i++) {
    if (i === 0 || i % 2) two(block, i, 8, work, i, 8, once, false);
  }
  const twice = CONST_BITS + PASS1_BITS + 3 + 2;
  for (let i = 0; i < 2; i++) two(work, 8 * i, 1, out, at + i * stride, 1, twice, true);
}

function two(source, from, step, target, to, every, bits, last) {
  const even = source[from] << (CONST_BITS + 2);
  const odd =
    source[from + 7 * step] * -5906 +
    source[from + 5 * step] * 6967 +
    source[from + 3 * step] * -10426 +
    source[from + step] * 29692;
  put(target, to, descale(even + odd, bits), last);
  put(target, to + every, descale(even - odd, bits), last);
}

function reducedTo1(block, out, at) {
  out[at] = sample(descale(block[0], 3));
}

/** Samples per side of a block to the transform `(block, out, at, stride)`. */
export const TRANSFORMS = { 8: full, 4: reducedTo4, 2: reducedTo2, 1: reducedTo1 };
