// The answer of the network, as it is and with channels muted or scaled.

/** What stands for a probability of one, of those that were computed beforehand. */
const WHOLE = 65535;

/**
 * Return the scores with some channels scaled, exact where a mean and a linear layer follow.
 * @param {Float32Array} scores
 * @param {import("./arithmetic.js").Layer} layer
 * @param {Map<number, number>} scales
 * @returns {Float32Array}
 */
export function scoresWith(scores, layer, scales) {
  const channels = layer.maps.shape[0];
  const found = Float32Array.from(scores);
  for (const [channel, scale] of scales) {
    const change = (scale - 1) * layer.head.means.values[channel];
    if (change === 0) continue;
    for (let k = 0; k < found.length; k += 1) {
      found[k] += change * layer.weights.values[k * channels + channel] * layer.row.values[k];
    }
  }
  return found;
}

/**
 * Return probabilities by the rule of the network.
 * @param {Float32Array} scores
 * @param {string} rule "softmax" or "sigmoid"
 * @returns {Float32Array}
 */
export function probabilitiesOf(scores, rule) {
  if (rule === "sigmoid") return scores.map((one) => 1 / (1 + Math.exp(-one)));
  let most = -Infinity;
  for (let k = 0; k < scores.length; k += 1) if (scores[k] > most) most = scores[k];
  const found = new Float32Array(scores.length);
  let total = 0;
  for (let k = 0; k < scores.length; k += 1) total += found[k] = Math.exp(scores[k] - most);
  for (let k = 0; k < scores.length; k += 1) found[k] /= total;
  return found;
}

/**
 * Return the probabilities with channels muted or scaled, -1 for a class of which that is not known.
 *
 * Without a linear head they are known where they were computed beforehand, of one muted channel.
 * @param {any} data
 * @param {any} layer
 * @param {Map<number, number>} scales
 * @returns {Float32Array|null} null where no answer is known
 */
export function answerWith(data, layer, scales) {
  if (!scales.size) return data.probabilities.values;
  if (layer.head) return data.rule === "as given" ? null : probabilitiesOf(scoresWith(data.scores.values, layer, scales), data.rule);
  const [[channel, by], ...others] = scales;
  const at = layer.muted && by === 0 && !others.length ? layer.muted.channels.values.indexOf(channel) : -1;
  if (at < 0) return null;
  const found = new Float32Array(data.names.length).fill(-1);
  layer.classes.forEach((/** @type {number} */ index, /** @type {number} */ k) => { found[index] = layer.muted.probabilities.values[at * layer.classes.length + k] / WHOLE; });
  found[layer.muted.best.values[at]] = layer.muted.bestProbabilities.values[at];
  return found;
}

/**
 * Return why the answer without one channel alone is not known, "" where it is.
 * @param {any} layer
 * @param {number} channel
 */
export function unknownWithout(layer, channel) {
  if (layer.head) return "";
  if (!layer.muted) return "For this layer no answers were computed.";
  return layer.muted.channels.values.includes(channel) ? "" : "The answer without this channel was not computed.";
}

/**
 * Return the probability of a class without one channel more, null where it is not known.
 * @param {any} app
 * @param {number} channel
 * @returns {number|null}
 */
export function shareWithout(app, channel) {
  const layer = app.layer();
  const scales = new Map(layer.head ? app.state.scales : []).set(channel, 0);
  const shares = answerWith(app.data, layer, scales);
  const share = shares === null ? -1 : shares[app.state.class];
  return share < 0 ? null : share;
}
