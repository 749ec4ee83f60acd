// The orientation that a camera noted in the EXIF segment, applied to pixels.

const ORIENTATION = 0x0112;

/** Return the orientation 1..8 of an EXIF segment (a TIFF header and on); 1 where there is none. */
export function orientationOf(exif) {
  if (!exif || exif.length < 14) return 1;
  const view = new DataView(exif.buffer, exif.byteOffset, exif.byteLength);
  const little = view.getUint16(0) === 0x4949;
  const directory = view.getUint32(4, little);
  if (directory + 2 > exif.length) return 1;
  const count = view.getUint16(directory, little);
  for (let i = 0; i < count; i++) {
    const at = directory + 2 + 12 * i;
    if (at + 12 > exif.length) return 1;
    if (view.getUint16(at, little) !== ORIENTATION) continue;
    const value = view.getUint16(at + 8, little);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

/** Return a picture {width, height, pixels (RGB)} turned upright. */
export function upright(picture, orientation) {
  if (orientation === 1) return picture;
  const { width, height, pixels } = picture;
  const sideways = orientation >= 5;
  const [w, h] = sideways ? [height, width] : [width, height];
  const out = new Uint8Array(pixels.length);
  for (let y = 0, o = 0; y < h; y++) {
    for (let x = 0; x < w; x++, o += 3) {
      let [sx, sy] = sideways ? [y, x] : [x, y];
      if ([2, 3, 7, 8].includes(orientation)) sx = width - 1 - sx;
      if ([3, 4, 6, 7].includes(orientation)) sy = height - 1 - sy;
      const at = 3 * (sy * width + sx);
      out[o] = pixels[at];
      out[o + 1] = pixels[at + 1];
      out[o + 2] = pixels[at + 2];
    }
  }
  return { width: w, height: h, pixels: out };
}
