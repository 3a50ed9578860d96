// The data of the page: text to bytes, and bytes to arrays.

const LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%,()*+-;.=:?@^_[{|}~";

/** @typedef {{type: string, at: number, shape: number[]}} Place */
/** @typedef {Uint8Array|Int8Array|Uint16Array|Int16Array|Int32Array|Float32Array} Values */

const KINDS = { u1: Uint8Array, i1: Int8Array, u2: Uint16Array, i2: Int16Array, i4: Int32Array, f4: Float32Array };

/**
 * Read five letters as four bytes.
 * @param {string} text
 * @returns {Uint8Array}
 */
export function bytesOf(text) {
  const value = new Uint8Array(128);
  for (let k = 0; k < LETTERS.length; k += 1) value[LETTERS.charCodeAt(k)] = k;
  const short = (5 - (text.length % 5)) % 5;
  const found = new Uint8Array(Math.ceil(text.length / 5) * 4);
  const view = new DataView(found.buffer);
  for (let at = 0, to = 0; at < text.length; at += 5, to += 4) {
    let word = 0;
    for (let k = 0; k < 5; k += 1) word = word * 85 + (at + k < text.length ? value[text.charCodeAt(at + k)] : 84);
    view.setUint32(to, word);
  }
  return found.subarray(0, found.length - short);
}

/**
 * Undo the compression; the browser does the work.
 * @param {Uint8Array} data
 * @returns {Promise<ArrayBuffer>}
 */
export function inflated(data) {
  const stream = new Blob([/** @type {BlobPart} */ (data)]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Response(stream).arrayBuffer();
}

/**
 * Look at a part of the data as numbers.
 * @param {ArrayBuffer} buffer
 * @param {Place} place
 * @returns {Values}
 */
export function arrayAt(buffer, place) {
  const count = place.shape.reduce((one, other) => one * other, 1);
  const kind = KINDS[/** @type {keyof KINDS} */ (place.type)];
  return new kind(buffer, place.at, count);
}

/**
 * Undo the guess of each pixel from those to its left and above.
 * @param {{values: Uint8Array, shape: number[]}} left what is left beside the guess
 */
export function restored(left) {
  const [channels, height, width] = left.shape;
  const found = new Uint8Array(left.values.length);
  for (let c = 0, at = 0; c < channels; c += 1) {
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1, at += 1) {
        const before = x ? found[at - 1] : 0;
        const above = y ? found[at - width] : 0;
        const corner = x && y ? found[at - width - 1] : 0;
        const guess = Math.min(Math.max(before, above), Math.max(Math.min(before, above), before + above - corner));
        found[at] = left.values[at] + guess;
      }
    }
  }
  left.values = found;
}

/**
 * Put the numbers in where the head says that they lie.
 * @param {any} head
 * @param {ArrayBuffer} buffer
 * @returns {any}
 */
export function filledIn(head, buffer) {
  if (Array.isArray(head)) return head.map((one) => filledIn(one, buffer));
  if (head === null || typeof head !== "object") return head;
  if (typeof head.type === "string" && typeof head.at === "number" && Array.isArray(head.shape)) {
    return { values: arrayAt(buffer, head), shape: head.shape };
  }
  return Object.fromEntries(Object.entries(head).map(([name, one]) => [name, filledIn(one, buffer)]));
}
