// What is computed of a layer: maps, what channels add, and where a map is drawn.

/** @typedef {{values: any, shape: number[]}} Filled */
/**
 * @typedef {object} Layer
 * @property {string} name
 * @property {Filled} maps
 * @property {Filled} low
 * @property {Filled} step
 * @property {number[]|null} classes
 * @property {Filled} weights
 * @property {Filled} row
 * @property {Filled} off
 * @property {any} field
 * @property {any} [head]
 * @property {any} [muted]
 * @property {Record<string, any>} methods
 */

/**
 * Return which row of a layer's weights is of a class, -1 for none.
 * @param {Layer} layer
 * @param {number} index
 */
export function rowOf(layer, index) {
  return layer.classes === null ? index : layer.classes.indexOf(index);
}

/**
 * Return the gradient of a class's score at each channel, averaged over the places.
 * @param {Layer} layer
 * @param {number} row
 * @param {boolean} passed whether a rectifier behind the layer counts, as it does for Grad-CAM
 * @returns {Float32Array}
 */
export function weightsOf(layer, row, passed) {
  const channels = layer.maps.shape[0];
  const step = layer.row.values[row];
  const found = new Float32Array(channels);
  const head = layer.head;
  for (let c = 0; c < channels; c += 1) {
    found[c] = layer.weights.values[row * channels + c] * step;
    if (head) found[c] *= (passed ? head.passed.values[c] : 1) / head.places;
  }
  return found;
}

/**
 * Sum the maps of all channels, each times a weight and its scale.
 * @param {Layer} layer
 * @param {Float32Array} weights
 * @param {Map<number, number>} scales
 * @returns {Float32Array}
 */
export function weighted(layer, weights, scales) {
  const [channels, height, width] = layer.maps.shape;
  const places = height * width;
  const maps = layer.maps.values;
  const found = new Float32Array(places);
  let base = 0;
  for (let c = 0; c < channels; c += 1) {
    const weight = weights[c] * (scales.get(c) ?? 1);
    if (weight === 0) continue;
    base += weight * layer.low.values[c];
    const factor = weight * layer.step.values[c];
    for (let p = 0, at = c * places; p < places; p += 1, at += 1) found[p] += factor * maps[at];
  }
  for (let p = 0; p < places; p += 1) found[p] += base;
  return found;
}

/**
 * Sum what is positive of the maps of all channels, each times a weight and its scale.
 * @param {Layer} layer
 * @param {Float32Array} weights
 * @param {Map<number, number>} scales
 * @returns {Float32Array}
 */
function rectifiedSum(layer, weights, scales) {
  const [channels, height, width] = layer.maps.shape;
  const places = height * width;
  const found = new Float32Array(places);
  for (let c = 0; c < channels; c += 1) {
    const weight = weights[c] * (scales.get(c) ?? 1);
    for (let p = 0; p < places; p += 1) found[p] += weight * Math.max(0, valueAt(layer, c, p, places));
  }
  return found;
}

/**
 * Return the signed map of a class by a method, or null where the page does not hold it.
 * @param {Layer} layer
 * @param {number} index the class
 * @param {string} method
 * @param {Map<number, number>} scales
 * @returns {Float32Array|null}
 */
export function classMap(layer, index, method, scales) {
  const row = rowOf(layer, index);
  if (row < 0) return null;
  if (method === "gradcam") return weighted(layer, weightsOf(layer, row, true), scales);
  if (layer.head) {
    const slopes = weightsOf(layer, row, false);
    if (method === "layercam") for (let c = 0; c < slopes.length; c += 1) slopes[c] = Math.max(0, slopes[c]);
    return layer.head.rectified ? rectifiedSum(layer, slopes, scales) : weighted(layer, slopes, scales);
  }
  const held = layer.methods[method];
  if (!held) return null;
  const places = layer.maps.shape[1] * layer.maps.shape[2];
  const found = new Float32Array(places);
  for (let p = 0; p < places; p += 1) found[p] = held.maps.values[row * places + p] * held.step.values[row];
  return found;
}

/**
 * Return what each channel adds to a map at a place.
 * @param {Layer} layer
 * @param {Float32Array} weights
 * @param {number} place
 * @param {Map<number, number>} scales
 * @returns {Float32Array}
 */
export function addedAt(layer, weights, place, scales) {
  const [channels, height, width] = layer.maps.shape;
  const found = new Float32Array(channels);
  for (let c = 0; c < channels; c += 1) {
    const value = valueAt(layer, c, place, height * width);
    found[c] = weights[c] * (scales.get(c) ?? 1) * (layer.head?.rectified ? Math.max(0, value) : value);
  }
  return found;
}

/**
 * Return the activation of a channel at a place.
 * @param {Layer} layer
 * @param {number} channel
 * @param {number} place
 * @param {number} places
 */
export function valueAt(layer, channel, place, places) {
  return layer.low.values[channel] + layer.step.values[channel] * layer.maps.values[channel * places + place];
}

/**
 * Return the places of the largest values, the largest first.
 * @param {ArrayLike<number>} values
 * @param {number} count
 * @param {(value: number) => number} [size]
 * @returns {number[]}
 */
export function largest(values, count, size = (value) => value) {
  /** @type {number[]} */
  const found = [];
  for (let k = 0; k < values.length; k += 1) {
    const value = size(values[k]);
    if (found.length === count && value <= size(values[found[count - 1]])) continue;
    let at = Math.min(found.length, count - 1);
    while (at > 0 && size(values[found[at - 1]]) < value) {
      if (at < count) found[at] = found[at - 1];
      at -= 1;
    }
    found[at] = k;
  }
  return found;
}

/**
 * Return the receptive field of a place as [top, left, bottom, right] in pixels of the input.
 * @param {any} field
 * @param {number} row
 * @param {number} column
 * @returns {[number, number, number, number]}
 */
export function fieldAt(field, row, column) {
  /** @param {Filled} ends */
  const at = (ends) => {
    const [rows, columns] = ends.shape;
    return ends.values[Math.min(row, rows - 1) * columns + Math.min(column, columns - 1)];
  };
  return [at(field.rowFirst), at(field.columnFirst), at(field.rowLast) + 1, at(field.columnLast) + 1];
}
