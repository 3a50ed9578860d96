// Which map is shown now, and how far its colours go.

import { classMap, rowOf, valueAt, weightsOf } from "./arithmetic.js";
import { reach } from "../../pages/scripts/maps.js";

/**
 * Return the map that is shown: of a channel, of a class, or of one class against another.
 * @param {any} app
 */
export function shownMap(app) {
  const { state } = app;
  const layer = app.layer();
  const [, height, width] = layer.maps.shape;
  if (state.channel !== null) {
    const values = new Float32Array(height * width);
    for (let p = 0; p < values.length; p += 1) values[p] = valueAt(layer, state.channel, p, values.length);
    return finished(app, values, values.some((one) => one < 0));
  }
  const values = signedMap(app);
  if (values === null) return null;
  const signed = state.signed || state.against !== null;
  if (signed || (state.method !== "gradcam" && !layer.head)) return finished(app, values, signed);
  // What rounding may have left above zero is drawn as nothing; maps that are held have a step for zero.
  const off = layer.off.values[rowOf(layer, state.class)];
  return finished(app, values.map((one) => (one > off ? one : 0)), signed);
}

/**
 * Return the signed map of the class, less that of the one that it is set against.
 * @param {any} app
 * @returns {Float32Array|null}
 */
export function signedMap(app) {
  const { state } = app;
  const values = classMap(app.layer(), state.class, state.method, state.scales);
  if (values === null || state.against === null) return values;
  const other = classMap(app.layer(), state.against, state.method, state.scales);
  return other === null ? null : values.map((one, p) => one - other[p]);
}

/**
 * Return the weights of the channels that the terms at a place are made with.
 * @param {any} app
 * @returns {Float32Array|null}
 */
export function shownWeights(app) {
  const layer = app.layer();
  const { state } = app;
  const row = rowOf(layer, state.class);
  if (row < 0) return null;
  const found = weightsOf(layer, row, !layer.head);
  const other = state.against === null ? -1 : rowOf(layer, state.against);
  if (state.against !== null && other < 0) return null;
  if (other >= 0) {
    const less = weightsOf(layer, other, !layer.head);
    for (let c = 0; c < found.length; c += 1) found[c] -= less[c];
  }
  return found;
}

/** @param {any} app @param {Float32Array} values @param {boolean} signed */
function finished(app, values, signed) {
  const [, height, width] = app.layer().maps.shape;
  const drawn = signed ? values : values.map((one) => Math.max(0, one));
  return { values: drawn, height, width, signed, top: reach(drawn, app.state.clip) };
}
