// The answer with channels muted or scaled: worked out where that is exact, else looked up.

import { largest, rowOf, valueAt, weightsOf } from "./arithmetic.js";
import { shareWithout } from "./answers.js";
import { apart, keyed, made, percent, says, written } from "../../pages/scripts/dom.js";
import { muteButton } from "./mute.js";

const OFFERED = 12;

/**
 * @param {any} app
 * @returns {() => void}
 */
export function whatIf(app) {
  app.on("give-back", "click", () => app.update({ scales: new Map() }));
  return () => {
    if (!app.byId("what-if").open) return;
    const layer = app.layer();
    app.says("exact", explained(app, layer));
    app.byId("give-back").hidden = app.state.scales.size === 0;
    keyed(app.byId("offered"), offered(app, layer), (c) => offer(app, c));
    foundOut(app, layer, Boolean(layer.head));
  };
}

/** @param {any} app @param {any} layer */
function explained(app, layer) {
  const others = app.words("others", app.data.names[weighedFor(app, layer)]);
  if (layer.head) return app.words("exact", others);
  if (!layer.muted) return app.words("no answers");
  const count = layer.muted.channels.values.length;
  const all = count === layer.maps.shape[0];
  return app.words("each alone", all ? `each of its ${count} channels` : `each of ${count} of its channels`, all ? others : app.words("which", app.data.names[layer.classes[0]]));
}

/**
 * Return the class whose score the listed channels add most to: the one that is asked for, or the
 * first where the layer has no weights of that one.
 * @param {any} app
 * @param {any} layer
 * @returns {number}
 */
function weighedFor(app, layer) {
  return rowOf(layer, app.state.class) < 0 ? layer.classes[0] : app.state.class;
}

/** @param {any} app @param {any} layer @returns {number[]} */
function offered(app, layer) {
  const scaled = [...app.state.scales.keys()];
  const muted = layer.muted?.channels.values ?? [];
  if (!layer.head && muted.length < layer.maps.shape[0]) return [...new Set([...muted, ...scaled])];
  const weights = weightsOf(layer, rowOf(layer, weighedFor(app, layer)), !layer.head);
  const places = layer.maps.shape[1] * layer.maps.shape[2];
  const adds = weights.map((weight, c) => weight * places * (layer.head ? layer.head.means.values[c] : meanOf(layer, c, places)));
  return [...new Set([...largest(adds, OFFERED, Math.abs), ...scaled])];
}

/** @param {any} layer @param {number} c @param {number} places */
function meanOf(layer, c, places) {
  let total = 0;
  for (let p = 0; p < places; p += 1) total += valueAt(layer, c, p, places);
  return total / places;
}

/** @param {any} app @param {number} c */
function offer(app, c) {
  const said = `Channel ${c}`;
  const slider = made("input", { type: "range", min: 0, max: 2, step: 0.05, "aria-label": `${said} times`, on: { change: () => {
    const scales = new Map(app.state.scales);
    if (Number(slider.value) === 1) scales.delete(c);
    else scales.set(c, Number(slider.value));
    app.update({ scales });
  } } });
  const times = made("span", { class: "share" });
  const aside = made("span", { class: "aside" });
  const mute = muteButton(app, () => c, (muted) => (muted ? "unmute" : "mute"));
  const row = made("li", {}, [
    made("button", { class: "link", text: said, on: { click: () => { app.update({ channel: c }); app.goTo("channel"); } } }),
    slider, times, mute, aside,
  ]);
  row.show = () => {
    const layer = app.layer();
    const now = app.state.scales.get(c) ?? 1;
    // Between all and nothing an answer is known of a linear head alone.
    slider.hidden = times.hidden = !layer.head;
    slider.value = String(now);
    says(times, `\u00d7 ${now.toFixed(2)}`);
    const reason = mute.show();
    const without = shareWithout(app, c);
    const adds = layer.head ? `adds ${written(layer.head.means.values[c] * layer.weights.values[rowOf(layer, app.state.class) * layer.maps.shape[0] + c] * layer.row.values[rowOf(layer, app.state.class)])} to the score; ` : "";
    says(aside, reason || (without === null ? `${app.data.names[app.state.class]} without it: not computed` : `${adds}${app.data.names[app.state.class]} without it: ${percent(without)}`));
  };
  return row;
}

/** @param {any} app @param {any} layer @param {boolean} exact */
function foundOut(app, layer, exact) {
  const scaled = [...app.state.scales.keys()];
  const chosen = app.state.class;
  const name = app.data.names[chosen];
  const before = app.data.probabilities.values[chosen];
  const shares = app.probabilities();
  let said = "Nothing is muted.";
  if (scaled.length && exact) {
    const change = shares === null ? "its probability now was not computed" : `${percent(before)} before, ${percent(shares[chosen])} now`;
    const [then, now] = apart(app.data.scores.values[chosen], app.scores()[chosen]);
    said = `${name}: ${change}; score ${then} before, ${now} now.`;
  } else if (scaled.length && shares === null) {
    said = app.words(layer.muted ? "not found" : "no answers");
  } else if (scaled.length) {
    const [best] = largest(shares, 1);
    said = `Without channel ${scaled.join(", ")} the answer is ${app.data.names[best]}, ${percent(shares[best])}` +
      (shares[chosen] < 0 ? "." : `; ${name}: ${percent(before)} before, ${percent(shares[chosen])} now.`);
  }
  app.says("what-said", said);
}
