// The page: its state, and who draws what of it.

import { answer } from "./answer.js";
import { answerWith, probabilitiesOf, scoresWith } from "./answers.js";
import { rowOf, valueAt, weightsOf, weighted, classMap, fieldAt } from "./arithmetic.js";
import { stretched } from "../../pages/scripts/maps.js";
import { channel } from "./channel.js";
import { controls } from "./controls.js";
import { convolution, workedOut } from "./convolution.js";
import { byId } from "../../pages/scripts/dom.js";
import { differing, link } from "./linked.js";
import { network } from "./network.js";
import { bytesOf, filledIn, inflated, restored } from "../../pages/scripts/pack.js";
import { drawMarks, picture } from "./picture.js";
import { places } from "./places.js";
import { saving } from "./save.js";
import { shownMap } from "./shown.js";
import { addressOf, stateOf } from "./state.js";
import { whatIf } from "./what_if.js";

const KEPT = 4;
const PANELS = ["controls", "place", "channel", "network", "what-if", "convolution"];

/**
 * Begin with one photo in one network.
 * @param {any} data
 * @param {string} suffix what the ids of its elements end with
 */
export function begun(data, suffix) {
  /** @type {any} */
  const app = { data, hovered: null, linked: null, suffix };
  app.byId = (/** @type {string} */ id) => byId(id + suffix);
  app.first = {
    class: data.first, against: null, layer: data.layers.length - 1, method: "gradcam", signed: false,
    opacity: 0.55, clip: 1, colours: "inferno", at: [], channel: null, scales: new Map(), conv: null, step: null,
  };
  const limits = {
    classes: data.names.length,
    layers: data.layers.map((/** @type {any} */ one) => ({ channels: one.maps.shape[0] })),
    methods: Object.keys(data.methodNames),
    colours: Object.keys(data.colours),
    convolutions: data.convolutions.length,
  };
  app.read = () => { app.state = stateOf(location.hash, app.first, limits); };
  app.read();
  app.layer = () => data.layers[app.state.layer];
  app.cellAt = (/** @type {[number, number]} */ [x, y]) => {
    const [, rows, columns] = app.layer().maps.shape;
    return { row: Math.min(rows - 1, Math.floor(y * rows)), column: Math.min(columns - 1, Math.floor(x * columns)) };
  };
  app.scores = () => (app.layer().head && app.state.scales.size ? scoresWith(data.scores.values, app.layer(), app.state.scales) : data.scores.values);
  app.probabilities = () => answerWith(data, app.layer(), app.state.scales);
  const pointed = [() => drawMarks(app), places(app), convolution(app)];
  const parts = [picture(app), answer(app), controls(app), channel(app), network(app), whatIf(app), words(app), ...pointed];
  app.draw = () => parts.forEach((part) => part());
  app.drawPointed = () => pointed.forEach((part) => part());
  app.update = (/** @type {any} */ patch, keep = true) => {
    Object.assign(app.state, patch);
    app.linked?.follow(app, patch);
    if (keep) remember(app.linked?.lead ?? app);
    app.draw();
  };
  app.point = (/** @type {[number, number]|null} */ at) => {
    app.hovered = at;
    app.drawPointed();
    app.linked?.point(app, at);
  };
  app.keep = (/** @type {[number, number]} */ at) => {
    app.openPanel("place");
    app.update({ at: [...app.state.at, at].slice(-KEPT) });
  };
  app.openPanel = (/** @type {string} */ id) => { app.byId(id).open = true; };
  for (const id of PANELS) app.byId(id).addEventListener("toggle", () => app.draw());
  saving(app);
  return app;
}

/**
 * Remember what is shown in the address.
 * @param {any} app
 */
function remember(app) {
  try {
    history.pushState(null, "", `#${addressOf(app.state, app.first)}`);
  } catch {
    // In a frame of a notebook there is no address.
  }
}

/** @param {any} app @returns {() => void} */
function words(app) {
  return () => {
    const { state, data } = app;
    const layer = app.layer();
    const name = data.names[state.class];
    const held = state.channel === null && !layer.head ? layer.methods[state.method] : null;
    const steps = held ? `, in ${held.levels} steps` : "";
    const missing = shownMap(app) === null;
    const what = state.channel !== null ? `the activations of channel ${state.channel}`
      : state.against !== null ? `${data.methodNames[state.method]}: what speaks for ${name} rather than ${data.names[state.against]} (red), or the other way (blue)`
        : state.signed ? `${data.methodNames[state.method]}: what speaks for ${name} (red) and against it (blue)`
          : `${data.methodNames[state.method]}: where the network found ${name}`;
    app.byId("told").textContent = missing
      ? `For this choice the page holds no map at ${layer.name}: at this layer it has ${layer.classes.length} classes, which a search lists first.`
      : `${what}, at ${layer.name} (${layer.maps.shape[1]} x ${layer.maps.shape[2]} places${steps}).`;
  };
}

/** Read the data of the page, and begin. */
export async function main() {
  const head = JSON.parse(byId("head").textContent);
  const buffer = await inflated(bytesOf(byId("data").textContent.trim()));
  const subjects = filledIn(head.subjects, buffer);
  const looks = filledIn(head.looks, buffer);
  for (const [k, data] of subjects.entries()) {
    Object.assign(data, looks);
    for (const one of data.convolutions) if (one.first) restored(one.pixels);
    await byId(k ? `photo-${k + 1}` : "photo").decode();
  }
  document.documentElement.classList.add("alive");
  const apps = subjects.map((/** @type {any} */ data, /** @type {number} */ k) => begun(data, k ? `-${k + 1}` : ""));
  if (apps.length > 1) link(apps);
  apps.forEach((/** @type {any} */ app) => app.draw());
  addEventListener("popstate", () => {
    apps[0].read();
    apps.slice(1).forEach((/** @type {any} */ app) => { app.state = { ...app.first, at: [], scales: new Map() }; });
    apps[0].linked?.follow(apps[0], differing(apps[0]));
    apps.forEach((/** @type {any} */ app) => app.draw());
  });
  // For tests, and for whoever looks into the page.
  Object.assign(window, { cnnviz: { app: apps[0], apps, arithmetic: { rowOf, valueAt, weightsOf, weighted, classMap, fieldAt, stretched, workedOut, scoresWith, probabilitiesOf } } });
}
