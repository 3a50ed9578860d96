// How a map is stretched over a photo and coloured.

/**
 * Stretch a map bilinearly; the values are those of the middles of its cells.
 * @param {ArrayLike<number>} values
 * @param {number} height
 * @param {number} width
 * @param {number} rows
 * @param {number} columns
 * @returns {Float32Array}
 */
export function stretched(values, height, width, rows, columns) {
  const found = new Float32Array(rows * columns);
  const across = new Array(columns);
  for (let x = 0; x < columns; x += 1) across[x] = between(x, columns, width);
  for (let y = 0; y < rows; y += 1) {
    const [top, bottom, down] = between(y, rows, height);
    for (let x = 0; x < columns; x += 1) {
      const [left, right, over] = across[x];
      const upper = values[top * width + left] * (1 - over) + values[top * width + right] * over;
      const lower = values[bottom * width + left] * (1 - over) + values[bottom * width + right] * over;
      found[y * columns + x] = upper * (1 - down) + lower * down;
    }
  }
  return found;
}

/**
 * @param {number} at
 * @param {number} count
 * @param {number} length
 * @returns {[number, number, number]}
 */
function between(at, count, length) {
  const place = Math.max(0, ((at + 0.5) * length) / count - 0.5);
  const first = Math.min(length - 1, Math.floor(place));
  return [first, Math.min(length - 1, first + 1), place - first];
}

/**
 * Return the largest size of a value, or that below which a share of them lies.
 * @param {Float32Array} values
 * @param {number} share from 0 to 1; 1 is the largest
 */
export function reach(values, share) {
  const sizes = Float32Array.from(values, Math.abs).sort();
  return sizes.length ? sizes[Math.min(sizes.length - 1, Math.max(0, Math.ceil(share * sizes.length) - 1))] : 0;
}

/**
 * Colour a map as pixels, 255 for what is at the top of the scale or beyond.
 * @param {Float32Array} values
 * @param {number} top the value at the end of the colours
 * @param {boolean} signed whether the middle of the colours is zero
 * @param {Uint8Array} table 256 colours
 * @returns {Uint8ClampedArray<ArrayBuffer>}
 */
export function coloursOf(values, top, signed, table) {
  const found = new Uint8ClampedArray(4 * values.length);
  for (let k = 0; k < values.length; k += 1) {
    const share = top > 0 ? values[k] / top : 0;
    const at = 3 * Math.round(255 * Math.min(1, Math.max(0, signed ? (share + 1) / 2 : share)));
    found[4 * k] = table[at];
    found[4 * k + 1] = table[at + 1];
    found[4 * k + 2] = table[at + 2];
    found[4 * k + 3] = 255;
  }
  return found;
}
