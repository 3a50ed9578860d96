// What is shown, and the address that says so.

/**
 * @typedef {object} State
 * @property {number} class
 * @property {number|null} against
 * @property {number} layer
 * @property {string} method
 * @property {boolean} signed
 * @property {number} opacity
 * @property {number} clip
 * @property {string} colours
 * @property {[number, number][]} at places of the photo, from 0 to 1
 * @property {number|null} channel
 * @property {Map<number, number>} scales
 * @property {number|null} conv which convolution is worked out
 * @property {string} by what the channels of a place are ranked by
 * @property {number[]|null} step channel, row and column of the convolution; none of them where it
 *   follows the channel and the place that are shown, null where it is closed
 */

/**
 * Write what differs from the beginning into an address.
 * @param {State} state
 * @param {State} first
 * @returns {string}
 */
export function addressOf(state, first) {
  const said = new URLSearchParams();
  for (const name of /** @type {const} */ (["class", "against", "layer", "method", "opacity", "clip", "colours", "channel", "conv", "by"])) {
    if (state[name] !== first[name] && state[name] !== null) said.set(name, String(state[name]));
  }
  if (state.signed !== first.signed) said.set("signed", state.signed ? "1" : "0");
  if (state.at.length) said.set("at", state.at.map(([x, y]) => `${round(x)},${round(y)}`).join(";"));
  if (state.scales.size) said.set("scale", [...state.scales].map(([c, by]) => `${c}:${round(by)}`).join(";"));
  if (state.step) said.set("step", state.step.join(","));
  return said.toString().replaceAll("%2C", ",").replaceAll("%3B", ";").replaceAll("%3A", ":");
}

/**
 * Read an address; what it does not say, or says wrongly, is as at the beginning.
 * @param {string} text
 * @param {State} first
 * @param {{classes: number, layers: {channels: number}[], methods: string[], colours: string[], convolutions: number}} limits
 * @returns {State}
 */
export function stateOf(text, first, limits) {
  const said = new URLSearchParams(text.replace(/^#/, ""));
  const layer = whole(said.get("layer"), limits.layers.length) ?? first.layer;
  const channels = limits.layers[layer].channels;
  /** @param {string} name @param {string[]} known @param {string} usual */
  const word = (name, known, usual) => (known.includes(said.get(name) ?? "") ? String(said.get(name)) : usual);
  const asked = whole(said.get("class"), limits.classes) ?? first.class;
  const against = whole(said.get("against"), limits.classes);
  return {
    class: asked,
    against: against === asked ? null : against,
    layer,
    method: word("method", limits.methods, first.method),
    signed: said.has("signed") ? said.get("signed") === "1" : first.signed,
    opacity: within(said.get("opacity"), 0, 1) ?? first.opacity,
    clip: within(said.get("clip"), 0.5, 1) ?? first.clip,
    colours: word("colours", limits.colours, first.colours),
    at: pairs(said.get("at"), ",").map(([x, y]) => /** @type {[number, number]} */ ([clamped(x), clamped(y)])).slice(0, 4),
    channel: whole(said.get("channel"), channels),
    scales: new Map(pairs(said.get("scale"), ":").filter(([c, by]) => Number.isInteger(c) && c >= 0 && c < channels && by >= 0 && by <= 10 && by !== 1)),
    conv: whole(said.get("conv"), limits.convolutions),
    by: word("by", ["activation", "evidence"], first.by),
    step: said.get("step") === "" ? [] : numbers(said.get("step"), 3),
  };
}

/** @param {number} value */
const round = (value) => Number(value.toFixed(4));
/** @param {number} value */
const clamped = (value) => Math.min(1, Math.max(0, value));

/** @param {string|null} text @param {number} count */
function whole(text, count) {
  return text !== null && /^\d{1,6}$/.test(text) && Number(text) < count ? Number(text) : null;
}

/** @param {string|null} text @param {number} low @param {number} high */
function within(text, low, high) {
  const value = text === null || text === "" ? NaN : Number(text);
  return value >= low && value <= high ? value : null;
}

/** @param {string|null} text @param {number} count @returns {number[]|null} */
function numbers(text, count) {
  const found = (text ?? "").split(",").map((one) => (/^\d{1,5}$/.test(one) ? Number(one) : NaN));
  return found.length === count && found.every((one) => Number.isInteger(one)) ? found : null;
}

/** @param {string|null} text @param {string} mark @returns {[number, number][]} */
function pairs(text, mark) {
  return (text ?? "")
    .split(";")
    .map((one) => /** @type {[number, number]} */ (one.split(mark).map((part) => (part.trim() === "" ? NaN : Number(part)))))
    .filter((one) => one.length === 2 && one.every(Number.isFinite));
}
