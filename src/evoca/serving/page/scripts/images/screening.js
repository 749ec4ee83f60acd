// Rules that find pictures unlike photographs; the same as evoca.images.screening, which says
// how well they do.

const LEAST = 16;
const ALIKE = 0.25;

/** Return a warning if a picture (RGB at a model's input size) is unlike a photograph, or none. */
export function screen(pixels, width, height) {
  if (Math.max(...[0, 1, 2].map((channel) => spread(pixels, channel))) < 5) return unlike("blank");
  if (Math.min(width, height) < LEAST) return [];
  const { ground, alike, broken } = groundOf(pixels, width, height);
  if (alike >= ALIKE && alike * broken >= 0.055) {
    return unlike(Math.max(...ground) >= 128 ? "document" : "screenshot");
  }
  const flat = flatShare(pixels, width, height);
  return flat >= 0.4 ? even(pixels, width, height, flat) : [];
}

const unlike = (what) => [`unlike a photograph: ${what}`];

function spread(pixels, channel) {
  let [sum, squares] = [0, 0];
  const count = pixels.length / 3;
  for (let i = channel; i < pixels.length; i += 3) {
    sum += pixels[i];
    squares += pixels[i] * pixels[i];
  }
  const mean = sum / count;
  return Math.sqrt(Math.max(squares / count - mean * mean, 0));
}

function groundOf(pixels, width, height) {
  const count = width * height;
  const codes = new Uint32Array(count);
  const counts = new Uint32Array(1 << 18);
  for (let i = 0, p = 0; i < count; i++, p += 3) {
    codes[i] = ((pixels[p] >> 2) << 12) | ((pixels[p + 1] >> 2) << 6) | (pixels[p + 2] >> 2);
    counts[codes[i]]++;
  }
  let commonest = 0;
  for (let code = 1; code < counts.length; code++) if (counts[code] > counts[commonest]) commonest = code;
  if (8 * counts[commonest] < ALIKE * count) return { ground: [0, 0, 0], alike: 0, broken: 0 };
  const ground = [0, 1, 2].map((channel) => median(pixels, codes, commonest, channel));
  const level = ground.map(Math.trunc);
  const near = new Uint8Array(count);
  let alike = 0;
  for (let i = 0, p = 0; i < count; i++, p += 3) {
    const distance = Math.max(
      Math.abs(pixels[p] - level[0]),
      Math.abs(pixels[p + 1] - level[1]),
      Math.abs(pixels[p + 2] - level[2]),
    );
    if (distance <= 1) alike++;
    near[i] = distance <= 6 ? 1 : 0;
  }
  return { ground, alike: alike / count, broken: changes(near, width, height) };
}

function median(pixels, codes, commonest, channel) {
  const values = [];
  for (let i = 0; i < codes.length; i++) {
    if (codes[i] === commonest) values.push(pixels[3 * i + channel]);
  }
  values.sort((a, b) => a - b);
  const half = values.length >> 1;
  return values.length % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

function changes(near, width, height) {
  let [across, down] = [0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const i = y * width + x;
      if (x + 1 < width && near[i] !== near[i + 1]) across++;
      if (y + 1 < height && near[i] !== near[i + width]) down++;
    }
  }
  return across / (height * (width - 1)) + down / ((height - 1) * width);
}

function flatShare(pixels, width, height) {
  const row = 3 * width;
  let flat = 0;
  for (let y = 0; y + 1 < height; y++) {
    for (let x = 0; x + 1 < width; x++) {
      const p = y * row + 3 * x;
      let alike = true;
      for (let c = p; c < p + 3; c++) {
        alike &&= Math.abs(pixels[c + 3] - pixels[c]) <= 1 && Math.abs(pixels[c + row] - pixels[c]) <= 1;
      }
      if (alike) flat++;
    }
  }
  return flat / ((height - 1) * (width - 1));
}

function even(pixels, width, height, flat) {
  const count = width * height;
  let [paper, chroma] = [0, 0];
  for (let p = 0; p < pixels.length; p += 3) {
    const lowest = Math.min(pixels[p], pixels[p + 1], pixels[p + 2]);
    if (lowest >= 230) paper++;
    chroma += Math.max(pixels[p], pixels[p + 1], pixels[p + 2]) - lowest;
  }
  if (paper / count > 0.6 && chroma / count < 8) return unlike("document");
  const ruled = ruledShare(pixels, width, height) > 0.9;
  return flat > 0.65 && ruled && topColours(pixels, width, height) > 0.75 ? unlike("screenshot") : [];
}

/** Return the largest share of a row's width at which it differs from the row below. */
function ruledShare(pixels, width, height) {
  const row = 3 * width;
  let most = 0;
  for (let y = 0; y + 1 < height; y++) {
    let edges = 0;
    for (let p = y * row; p < (y + 1) * row; p += 3) {
      let sum = 0;
      for (let c = p; c < p + 3; c++) sum += Math.abs(pixels[c + row] - pixels[c]);
      if (sum / 3 > 4) edges++;
    }
    most = Math.max(most, edges / width);
  }
  return most;
}

function topColours(pixels, width, height) {
  const counts = new Uint32Array(32768);
  let count = 0;
  for (let y = 0; y < height; y += 2) {
    for (let x = 0; x < width; x += 2, count++) {
      const p = 3 * (y * width + x);
      counts[(pixels[p] >> 3) * 1024 + (pixels[p + 1] >> 3) * 32 + (pixels[p + 2] >> 3)]++;
    }
  }
  return counts.sort().slice(-4).reduce((sum, value) => sum + value, 0) / count;
}
