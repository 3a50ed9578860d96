// The answer with channels muted or scaled: worked out where that is exact, else looked up.

import { largest, rowOf, valueAt, weightsOf } from "./arithmetic.js";
import { unknownWithout } from "./answers.js";
import { made, percent, written } from "../../pages/scripts/dom.js";

const OFFERED = 12;

/**
 * @param {any} app
 * @returns {() => void}
 */
export function whatIf(app) {
  app.byId("give-back").addEventListener("click", () => app.update({ scales: new Map() }));
  return () => {
    if (!app.byId("what-if").open) return;
    const layer = app.layer();
    const exact = Boolean(layer.head);
    app.byId("exact").textContent = exact
      ? "A mean over the places and a linear layer follow this layer, so that the answer is exact for any choice of channels."
      : layer.muted
        ? `What follows this layer is no linear function of it. The answers without one of ${layer.muted.channels.values.length} channels were computed when the page was made: those that add most, either way, to the Grad-CAM map of ${app.data.names[layer.classes[0]]}, whichever class is shown. The map changes at once for any.`
        : "For this layer no answers were computed; the map alone changes.";
    app.byId("give-back").hidden = app.state.scales.size === 0;
    app.byId("offered").replaceChildren(...offered(app, layer, exact).map((c) => line(app, layer, c, exact)));
    told(app, layer, exact);
  };
}

/** @param {any} app @param {any} layer @param {boolean} exact @returns {number[]} */
function offered(app, layer, exact) {
  const scaled = [...app.state.scales.keys()];
  if (!exact && layer.muted) return [...new Set([...scaled, ...layer.muted.channels.values])];
  const row = rowOf(layer, app.state.class);
  if (row < 0) return scaled;
  const weights = weightsOf(layer, row, !layer.head);
  const places = layer.maps.shape[1] * layer.maps.shape[2];
  const adds = weights.map((weight, c) => weight * places * (layer.head ? layer.head.means.values[c] : meanOf(layer, c, places)));
  return [...new Set([...scaled, ...largest(adds, OFFERED, Math.abs)])];
}

/** @param {any} layer @param {number} c @param {number} places */
function meanOf(layer, c, places) {
  let total = 0;
  for (let p = 0; p < places; p += 1) total += valueAt(layer, c, p, places);
  return total / places;
}

/** @param {any} app @param {any} layer @param {number} c @param {boolean} exact */
function line(app, layer, c, exact) {
  const now = app.state.scales.get(c) ?? 1;
  /** @param {number} to */
  const set = (to) => {
    const scales = new Map(app.state.scales);
    if (to === 1) scales.delete(c);
    else scales.set(c, to);
    return { scales };
  };
  const said = `Channel ${c}`;
  return made("li", {}, [
    made("button", { type: "button", class: "link", text: said, on: { click: () => { app.update({ channel: c }); app.openPanel("channel"); } } }),
    made("input", { type: "range", min: 0, max: 2, step: 0.05, value: now, "aria-label": `${said} times`, on: { change: (/** @type {any} */ event) => app.update(set(Number(event.target.value))) } }),
    made("span", { class: "share", text: `x ${now.toFixed(2)}` }),
    made("button", { type: "button", text: now === 0 ? "give back" : "mute", "aria-pressed": now === 0, on: { click: () => app.update(set(now === 0 ? 1 : 0)) } }),
    made("span", { class: "aside", text: exact ? `adds ${written(layer.head.means.values[c] * layer.weights.values[rowOf(layer, app.state.class) * layer.maps.shape[0] + c] * layer.row.values[rowOf(layer, app.state.class)])} to the score` : unknownWithout(layer, app.state.scales, c) || "answer without it computed" }),
  ]);
}

/** @param {any} app @param {any} layer @param {boolean} exact */
function told(app, layer, exact) {
  const scaled = [...app.state.scales.keys()];
  const chosen = app.state.class;
  const name = app.data.names[chosen];
  const before = app.data.probabilities.values[chosen];
  const shares = app.probabilities();
  let said = "Nothing is muted.";
  if (scaled.length && exact) {
    const change = shares === null ? "its probability now was not computed" : `${percent(before)} before, ${percent(shares[chosen])} now`;
    said = `${name}: ${change}; score ${written(app.data.scores.values[chosen])} before, ${written(app.scores()[chosen])} now.`;
  } else if (scaled.length && shares === null) {
    said = layer.muted ? "The answer to this choice was not computed: mute one of the channels of the list alone." : "The answer to this choice was not computed.";
  } else if (scaled.length) {
    const [best] = largest(shares, 1);
    said = `Without channel ${scaled.join(", ")} the answer is ${app.data.names[best]}, ${percent(shares[best])}` +
      (shares[chosen] < 0 ? "." : `; ${name}: ${percent(before)} before, ${percent(shares[chosen])} now.`);
  }
  app.byId("what-said").textContent = said;
}
