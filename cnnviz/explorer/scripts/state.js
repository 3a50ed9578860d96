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
 * Write what differs from a base into an address.
 * @param {State} state
 * @param {State} base
 * @param {string} suffix what the names of this photo end with, where there are several
 * @returns {string}
 */
export function addressOf(state, base, suffix = "") {
  const said = new URLSearchParams();
  const usual = textsOf(base);
  // What is none has a mark of its own, and is read as none again, like all that makes no sense.
  for (const [name, value] of Object.entries(textsOf(state))) if (value !== usual[name]) said.set(name + suffix, value ?? "-");
  return said.toString().replace(/%(2C|3B|3A)/g, decodeURIComponent);
}

/** @param {State} state @returns {any} */
function textsOf({ signed, at, scales, step, ...plain }) {
  return {
    ...plain, signed: Number(signed), step: step?.join(),
    at: at.map((place) => place.map(round)).join(";"),
    scale: [...scales].map(([c, by]) => `${c}:${round(by)}`).join(";"),
  };
}

/**
 * Read an address; what it does not say, or says wrongly, is as in a base.
 * @param {string} text
 * @param {State} base
 * @param {{classes: number, layers: {channels: number}[], methods: string[], colours: string[], convolutions: number}} limits
 * @param {string} suffix what the names of this photo end with, where there are several
 * @returns {State}
 */
export function stateOf(text, base, limits, suffix = "") {
  const all = new URLSearchParams(text.replace(/^#/, ""));
  const said = (/** @type {string} */ name) => all.get(name + suffix);
  /** @param {"class"|"against"|"layer"|"channel"|"conv"} name @param {number} count */
  const index = (name, count) => whole(said(name) ?? String(base[name]), count);
  /** @param {"method"|"colours"|"by"} name @param {string[]} known @returns {string} */
  const word = (name, known) => known.find((one) => one === said(name)) ?? base[name];
  const layer = index("layer", limits.layers.length) ?? base.layer;
  const { channels } = limits.layers[layer];
  const asked = index("class", limits.classes) ?? base.class;
  const against = index("against", limits.classes);
  const at = said("at"), scale = said("scale"), step = said("step"), signed = said("signed");
  return {
    class: asked,
    against: against === asked ? null : against,
    layer,
    method: word("method", limits.methods),
    signed: signed ? signed === "1" : base.signed,
    opacity: within(said("opacity"), 0, 1) ?? base.opacity,
    clip: within(said("clip"), 0.5, 1) ?? base.clip,
    colours: word("colours", limits.colours),
    at: at === null ? base.at : pairs(at, ",").map(([x, y]) => /** @type {[number, number]} */ ([clamped(x), clamped(y)])).slice(0, 4),
    channel: index("channel", channels),
    scales: new Map((scale === null ? [...base.scales] : pairs(scale, ":")).filter(([c, by]) => Number.isInteger(c) && c >= 0 && c < channels && by >= 0 && by <= 10 && by !== 1)),
    conv: index("conv", limits.convolutions),
    by: word("by", ["activation", "evidence"]),
    step: step === null ? base.step : step === "" ? [] : numbers(step, 3),
  };
}

/** @param {number} value */
const round = (value) => +value.toFixed(4);
/** @param {number} value */
const clamped = (value) => Math.min(1, Math.max(0, value));

/** @param {string|null} text @param {number} count */
function whole(text, count) {
  return text !== null && /^\d{1,6}$/.test(text) && Number(text) < count ? Number(text) : null;
}

/** @param {string|null} text @param {number} low @param {number} high */
function within(text, low, high) {
  const value = Number(text || NaN);
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
    .map((one) => /** @type {[number, number]} */ (one.split(mark).map((part) => Number(part.trim() || NaN))))
    .filter((one) => one.length === 2 && one.every(Number.isFinite));
}
