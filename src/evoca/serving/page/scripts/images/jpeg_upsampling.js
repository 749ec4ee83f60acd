// Components of a JPEG brought to the size of the picture, as libjpeg-turbo does by default
// ("fancy": a triangle filter for halves; else each sample is repeated).

/** Return a component's samples at the picture's size, `width * height`. */
export function upsampled(component, grid, width, height) {
  const right = (grid.h * grid.size) / (component.h * component.size);
  const down = (grid.v * grid.size) / (component.v * component.size);
  const smooth = grid.size > 1;
  if (right === 1 && down === 1) return cropped(component, width, height);
  if (right === 2 && down === 1 && smooth && component.width > 2) {
    return byRows(component, width, height, 1, (row, out) => wider(row, out, component.width));
  }
  if (right === 1 && down === 2 && smooth) return taller(component, width, height);
  if (right === 2 && down === 2 && smooth && component.width > 2) {
    return both(component, width, height);
  }
  return repeated(component, width, height, right, down);
}

function cropped({ samples, stride }, width, height) {
  if (stride === width) return samples.subarray(0, width * height);
  const out = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) out.set(samples.subarray(y * stride, y * stride + width), y * width);
  return out;
}

function repeated({ samples, stride }, width, height, right, down) {
  const out = new Uint8Array(width * height);
  for (let y = 0, o = 0; y < height; y++) {
    const row = Math.floor(y / down) * stride;
    for (let x = 0; x < width; x++) out[o++] = samples[row + Math.floor(x / right)];
  }
  return out;
}

function byRows({ samples, stride }, width, height, down, filter) {
  const out = new Uint8Array(width * height);
  const row = new Uint8Array(2 * stride);
  for (let y = 0; y < height; y++) {
    const from = Math.floor(y / down) * stride;
    filter(samples.subarray(from, from + stride), row);
    out.set(row.subarray(0, width), y * width);
  }
  return out;
}

function wider(row, out, count) {
  out[0] = row[0];
  out[1] = (row[0] * 3 + row[1] + 2) >> 2;
  for (let x = 1; x < count - 1; x++) {
    out[2 * x] = (row[x] * 3 + row[x - 1] + 1) >> 2;
    out[2 * x + 1] = (row[x] * 3 + row[x + 1] + 2) >> 2;
  }
  const last = count - 1;
  out[2 * last] = (row[last] * 3 + row[last - 1] + 1) >> 2;
  out[2 * last + 1] = row[last];
}

/** Return the offsets of the rows that an output row is mixed of: the nearer, the farther. */
function neighbours(y, { stride, height }) {
  const near = y >> 1;
  const far = Math.min(Math.max(near + (y % 2 ? 1 : -1), 0), height - 1);
  return [near * stride, far * stride];
}

function taller(component, width, height) {
  const { samples } = component;
  const out = new Uint8Array(width * height);
  for (let y = 0, o = 0; y < height; y++) {
    const [near, far] = neighbours(y, component);
    const bias = y % 2 ? 2 : 1;
    for (let x = 0; x < width; x++) out[o++] = (samples[near + x] * 3 + samples[far + x] + bias) >> 2;
  }
  return out;
}

function both(component, width, height) {
  const { samples, width: count } = component;
  const out = new Uint8Array(width * height);
  const sums = new Int32Array(count);
  const row = new Uint8Array(2 * count);
  for (let y = 0; y < height; y++) {
    const [near, far] = neighbours(y, component);
    for (let x = 0; x < count; x++) sums[x] = samples[near + x] * 3 + samples[far + x];
    row[0] = (sums[0] * 4 + 8) >> 4;
    row[1] = (sums[0] * 3 + sums[1] + 7) >> 4;
    for (let x = 1; x < count - 1; x++) {
      row[2 * x] = (sums[x] * 3 + sums[x - 1] + 8) >> 4;
      row[2 * x + 1] = (sums[x] * 3 + sums[x + 1] + 7) >> 4;
    }
    row[2 * count - 2] = (sums[count - 1] * 3 + sums[count - 2] + 8) >> 4;
    row[2 * count - 1] = (sums[count - 1] * 4 + 7) >> 4;
    out.set(row.subarray(0, width), y * width);
  }
  return out;
}
