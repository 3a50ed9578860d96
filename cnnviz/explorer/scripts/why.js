// Why one class and not another, in sentences: how far apart they are, and which channels say so.

import { largest, rowOf, valueAt } from "./arithmetic.js";
import { apart, made, percent, written } from "../../pages/scripts/dom.js";
import { shownWeights } from "./shown.js";

const NAMED = 3;
const SEEN = 150;

/**
 * @param {any} app
 * @returns {() => void}
 */
export function why(app) {
  const box = app.byId("why");
  let said = "";
  /** @type {number|null} */
  let before = null;
  app.on("no-against", "click", () => app.update({ against: null }));
  return () => {
    const { class: asked, against, layer, scales } = app.state;
    box.hidden = against === null;
    const fresh = against !== before;
    before = against;
    // Buttons that are not made anew cannot lose the click.
    const view = JSON.stringify([asked, against, layer, [...scales]]);
    const where = app.byId("why-said").querySelector(".both");
    if (where) where.hidden = app.state.channel !== null;
    if (against === null || view === said) return;
    said = view;
    const [name, other] = [asked, against].map((one) => app.data.names[one]);
    app.says("why-title", `Why ${name} and not ${other}?`);
    app.byId("why-said").replaceChildren(...sentences(app, name, other));
    // The photo is not moved away where the first lines can be seen already.
    if (fresh && app.drawn > 1 && box.getBoundingClientRect().top > innerHeight - SEEN) box.scrollIntoView({ block: "nearest" });
  };
}

/** @param {any} app @param {string} name @param {string} other @returns {Node[]} */
function sentences(app, name, other) {
  const { class: asked, against } = app.state;
  const scores = app.scores();
  const found = [];
  if (!app.state.scales.size || app.layer().head) {
    const [one, two, away] = apart(scores[asked], scores[against]);
    const chances = [asked, against].map((one) => (app.shares[one] < 0 ? "" : ` (${percent(app.shares[one])})`));
    found.push(made("p", { text: app.words("lead", name, one + chances[0], other, two + chances[1], scores[asked] < scores[against] ? "behind" : "ahead", away) }));
  } else if (app.shares[asked] >= 0 && app.shares[against] >= 0) found.push(made("p", { text: app.words("with muted", name, percent(app.shares[asked]), other, percent(app.shares[against])) }));
  const weights = shownWeights(app);
  if (weights === null) {
    const missing = [asked, against].filter((one) => rowOf(app.layer(), one) < 0).map((one) => app.data.names[one]);
    found.push(made("p", { text: app.words("no map", missing.join(" and "), app.layer().said, app.layer().classes.length) }));
    return found;
  }
  found.push(made("p", { class: "both", hidden: app.state.channel !== null }, [made("strong", { class: "for", text: "Red" }), ` on the photo is evidence for ${name}, `, made("strong", { class: "against", text: "blue" }), ` for ${other}.`]));
  const adds = addedByChannel(app, weights);
  const most = largest(adds, NAMED).filter((c) => adds[c] > 0);
  const least = largest(adds, NAMED, (one) => -one).filter((c) => adds[c] < 0);
  const by = app.layer().head ? "" : ", an estimate from the gradient, as in Grad-CAM";
  if (most.length) found.push(made("p", {}, [`Most evidence for ${name} (channels, with what each adds to the lead${by}): `, ...channelsNamed(app, most, adds)]));
  if (least.length) found.push(made("p", {}, [`Most evidence for ${other}: `, ...channelsNamed(app, least, adds)]));
  return found;
}

/** @param {any} app @param {number[]} channels @param {Float32Array} adds @returns {(Node|string)[]} */
function channelsNamed(app, channels, adds) {
  return channels.map((c) => made("span", { class: "pair" }, [
    made("button", { class: "link", "aria-label": `Show channel ${c}`, text: String(c), on: { click: () => app.update({ channel: c }) } }),
    `\u00a0${adds[c] > 0 ? "+" : ""}${written(adds[c])}${c === channels.at(-1) ? "" : ", "}`,
  ]));
}

/**
 * Return what each channel adds to the score over all places.
 * @param {any} app
 * @param {Float32Array} weights
 */
function addedByChannel(app, weights) {
  const layer = app.layer();
  const [channels, height, width] = layer.maps.shape;
  const places = height * width;
  const found = new Float32Array(channels);
  for (let c = 0; c < channels; c += 1) {
    const weight = weights[c] * (app.state.scales.get(c) ?? 1);
    if (weight === 0) continue;
    for (let p = 0; p < places; p += 1) {
      const value = valueAt(layer, c, p, places);
      found[c] += weight * (layer.head?.rectified ? Math.max(0, value) : value);
    }
  }
  return found;
}
