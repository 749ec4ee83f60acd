// Resizing as Pillow does it, equal in every bit: boxes first, then a filter in fixed point.

const sinc = (x) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
const FILTERS = {
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, at: cubic },
  lanczos: { support: 3, at: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};
const PRECISION_BITS = 22;
const REDUCING_GAP = 3;

function cubic(x) {
  const a = -0.5;
  const at = Math.abs(x);
  if (at < 1) return ((a + 2) * at - (a + 3)) * at * at + 1;
  return at < 2 ? (((at - 5) * at + 8) * at - 4) * a : 0;
}

/**
 * Return a picture at a model's input size.
 *
 * @param {{width: number, height: number, pixels: Uint8Array}} picture RGB.
 * @param {{height: number, width: number, resize: string, filter: string}} preprocessing
 * @returns {Uint8Array} RGB, height * width * 3.
 */
export function preprocessed(picture, { width, height, resize, filter }) {
  if (resize === "cover") {
    return resampled(picture, width, height, FILTERS[filter], coverBox(picture, width / height));
  }
  if (picture.width === width && picture.height === height) return picture.pixels;
  const across = Math.max(1, Math.floor(picture.width / width / REDUCING_GAP));
  const down = Math.max(1, Math.floor(picture.height / height / REDUCING_GAP));
  const small = reduced(picture, across, down);
  const box = [0, 0, picture.width / across, picture.height / down];
  return resampled(small, width, height, FILTERS[filter], box);
}

function coverBox({ width, height }, ratio) {
  const own = width / height;
  let [w, h] = [width, height];
  if (own !== ratio) [w, h] = own >= ratio ? [ratio * height, height] : [width, width / ratio];
  const left = (width - w) * 0.5;
  const top = (height - h) * 0.5;
  return [left, top, left + w, top + h];
}

/** Return a picture whose pixels are means of `across` by `down` of another's. */
export function reduced(picture, across, down) {
  if (across === 1 && down === 1) return picture;
  const width = Math.ceil(picture.width / across);
  const height = Math.ceil(picture.height / down);
  const pixels = new Uint8Array(3 * width * height);
  for (let y = 0, o = 0; y < height; y++) {
    const bottom = Math.min((y + 1) * down, picture.height);
    for (let x = 0; x < width; x++, o += 3) {
      const right = Math.min((x + 1) * across, picture.width);
      const count = (right - x * across) * (bottom - y * down);
      const factor = Math.floor(Math.fround(2 ** 32 / (256 * count)));
      const start = count >> 1;
      let [red, green, blue] = [start, start, start];
      for (let row = y * down; row < bottom; row++) {
        let at = 3 * (row * picture.width + x * across);
        for (let column = x * across; column < right; column++) {
          red += picture.pixels[at++];
          green += picture.pixels[at++];
          blue += picture.pixels[at++];
        }
      }
      pixels[o] = Math.floor((red * factor) / 2 ** 24);
      pixels[o + 1] = Math.floor((green * factor) / 2 ** 24);
      pixels[o + 2] = Math.floor((blue * factor) / 2 ** 24);
    }
  }
  return { width, height, pixels };
}

/** Return for each output pixel the first input pixel, and the weights of it and those after it. */
function weights(size, from, to, count, { support, at }) {
  from = Math.fround(from);
  to = Math.fround(to);
  const scale = Math.fround(to - from) / count;
  const wide = Math.max(scale, 1);
  const reach = support * wide;
  const found = [];
  for (let i = 0; i < count; i++) {
    const centre = from + (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5));
    const last = Math.min(size, Math.trunc(centre + reach + 0.5));
    const own = new Float64Array(last - first);
    let sum = 0;
    for (let x = 0; x < own.length; x++) sum += own[x] = at((x + first - centre + 0.5) * (1 / wide));
    const fixed = Int32Array.from(own, (weight) => {
      const share = (sum ? weight / sum : weight) * 2 ** PRECISION_BITS;
      return Math.trunc(share < 0 ? share - 0.5 : share + 0.5);
    });
    found.push({ first, fixed });
  }
  return found;
}

const clipped = (sum) => {
  const value = sum >> PRECISION_BITS;
  return value < 0 ? 0 : value > 255 ? 255 : value;
};

const HALF = 1 << (PRECISION_BITS - 1);

function resampled(picture, width, height, filter, [left, top, right, bottom]) {
  const across = weights(picture.width, left, right, width, filter);
  const down = weights(picture.height, top, bottom, height, filter);
  const sideways = left !== 0 || right !== picture.width || picture.width !== width;
  const upright = top !== 0 || bottom !== picture.height || picture.height !== height;
  // Pillow rounds to 8 bits between the passes, so their order matters; this is its choice.
  const lost = picture.height - height;
  const downFirst = lost > 0 && lost > 2 * (picture.width - width);
  const passes = [];
  if (sideways) passes.push((from) => horizontal(from, across));
  if (upright) passes.push((from) => vertical(from, down));
  if (downFirst) passes.reverse();
  return passes.reduce((from, pass) => pass(from), picture).pixels;
}

function horizontal({ width, height, pixels }, across) {
  const out = new Uint8Array(3 * across.length * height);
  for (let y = 0, o = 0; y < height; y++) {
    const row = 3 * y * width;
    for (const { first, fixed } of across) {
      let [red, green, blue] = [HALF, HALF, HALF];
      for (let k = 0, at = row + 3 * first; k < fixed.length; k++, at += 3) {
        red += pixels[at] * fixed[k];
        green += pixels[at + 1] * fixed[k];
        blue += pixels[at + 2] * fixed[k];
      }
      out[o++] = clipped(red);
      out[o++] = clipped(green);
      out[o++] = clipped(blue);
    }
  }
  return { width: across.length, height, pixels: out };
}

function vertical({ width, pixels }, down) {
  const stride = 3 * width;
  const out = new Uint8Array(stride * down.length);
  const sums = new Float64Array(stride);
  for (let y = 0; y < down.length; y++) {
    const { first, fixed } = down[y];
    sums.fill(HALF);
    for (let k = 0; k < fixed.length; k++) {
      const weight = fixed[k];
      for (let x = 0, at = (first + k) * stride; x < stride; x++) sums[x] += pixels[at++] * weight;
    }
    for (let x = 0, o = y * stride; x < stride; x++) out[o++] = clipped(sums[x]);
  }
  return { width, height: down.length, pixels: out };
}
