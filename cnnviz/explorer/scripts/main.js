// The page: its state, and who draws what of it.

import { answer } from "./answer.js";
import { answerWith, probabilitiesOf, scoresWith } from "./answers.js";
import { largest, rowOf, valueAt, weightsOf, weighted, classMap, fieldAt } from "./arithmetic.js";
import { stretched } from "../../pages/scripts/maps.js";
import { channel } from "./channel.js";
import { controls } from "./controls.js";
import { convolution, workedOut } from "./convolution.js";
import { byId, says } from "../../pages/scripts/dom.js";
import { link } from "./linked.js";
import { network } from "./network.js";
import { bytesOf, filledIn, inflated, restored } from "../../pages/scripts/pack.js";
import { drawMarks, picture } from "./picture.js";
import { places } from "./places.js";
import { saving } from "./save.js";
import { addressOf, stateOf } from "./state.js";
import { told } from "./told.js";
import { whatIf } from "./what_if.js";
import { why } from "./why.js";

const KEPT = 4;
const PANELS = ["controls", "channel", "network", "what-if", "convolution"];

/**
 * Begin with one photo in one network.
 * @param {any} data
 * @param {string} suffix what the ids of its elements end with
 */
export function begun(data, suffix) {
  /** @type {any} */
  const app = { data, hovered: null, pointed: null, linked: null, suffix, drawn: 0 };
  app.byId = (/** @type {string} */ id) => byId(id + suffix);
  app.on = (/** @type {string} */ id, /** @type {string} */ event, /** @type {any} */ act) => app.byId(id).addEventListener(event, act);
  app.says = (/** @type {string} */ id, /** @type {string} */ text) => says(app.byId(id), text);
  app.first = {
    class: data.first, against: null, layer: data.layers.length - 1, method: "gradcam", signed: false,
    opacity: 0.55, clip: 1, colours: "inferno", at: [], channel: null, scales: new Map(), conv: null, step: null, by: "activation",
  };
  const limits = {
    classes: data.names.length,
    layers: data.layers.map((/** @type {any} */ one) => ({ channels: one.maps.shape[0] })),
    methods: Object.keys(data.methodNames),
    colours: Object.keys(data.colours),
    convolutions: data.convolutions.length,
  };
  app.read = (/** @type {any} */ base = app.first) => {
    app.state = stateOf(location.hash, base, limits, suffix);
    app.byId("convolution").open = app.state.step !== null;
  };
  app.read();
  app.layer = () => data.layers[app.state.layer];
  app.cellAt = (/** @type {[number, number]} */ [x, y]) => {
    const [, rows, columns] = app.layer().maps.shape;
    return { row: Math.min(rows - 1, Math.floor(y * rows)), column: Math.min(columns - 1, Math.floor(x * columns)) };
  };
  app.scores = () => (app.layer().head && app.state.scales.size ? scoresWith(data.scores.values, app.layer(), app.state.scales) : data.scores.values);
  app.probabilities = () => answerWith(data, app.layer(), app.state.scales);
  const pointed = [() => drawMarks(app), places(app), convolution(app)];
  const parts = [picture(app), answer(app), why(app), controls(app), channel(app), network(app), whatIf(app), told(app), ...pointed];
  app.draw = () => {
    app.drawn += 1;
    parts.forEach((part) => part());
  };
  app.drawPointed = () => pointed.forEach((part) => part());
  app.update = (/** @type {any} */ patch, keep = true) => {
    app.tell("");
    const { state } = app;
    // A convolution that is open follows the channel, until another is chosen there.
    if (state.step && "channel" in patch && patch.channel !== null) patch = { step: [], ...patch };
    // Why the answer without a channel is none that is there once the channel is unmuted.
    if (patch.scales?.size === 0 && state.against !== null && state.class !== largest(data.probabilities.values, 1)[0]) patch = { class: app.first.class, against: null, ...patch };
    Object.assign(state, patch);
    app.linked?.follow(app, patch);
    if (keep) remember(app.linked?.address() ?? addressOf(state, app.first));
    app.draw();
  };
  app.aim = (/** @type {[number, number]|null} */ at) => {
    app.hovered = at;
    if (at) app.pointed = at;
    app.drawPointed();
  };
  app.point = (/** @type {[number, number]|null} */ at) => {
    app.aim(at);
    app.linked?.point(app, at);
  };
  app.leave = () => { if (app.hovered) app.point(null); };
  // The place that was pointed at last, unless it is kept.
  app.passing = () => {
    if (app.pointed === null) return null;
    const cell = JSON.stringify(app.cellAt(app.pointed));
    return app.state.at.some((/** @type {any} */ one) => JSON.stringify(app.cellAt(one)) === cell) ? null : app.pointed;
  };
  app.keep = (/** @type {[number, number]} */ at) => {
    app.aim(at);
    const { at: before, step } = app.state;
    /** @type {any} */
    const patch = app.passing() === null ? {} : { at: [...before, at].slice(-KEPT) };
    if (step) patch.step = app.stepNow();
    if (patch.at || step) app.update(patch);
    if (patch.at && before.length === KEPT) app.tell(app.words("forgotten"));
    // On a phone the list may lie below what is seen.
    const row = app.byId("places").querySelector("tbody tr");
    if (row && row.getBoundingClientRect().bottom > innerHeight) row.parentElement.scrollIntoView({ block: "nearest" });
  };
  app.forget = () => {
    app.pointed = null;
    app.update({ at: [] });
  };
  app.tell = (/** @type {string} */ text) => app.says("status", text);
  app.words = (/** @type {string} */ name, /** @type {any[]} */ ...given) => data.sentences[name].replace(/{(\d)}/g, (/** @type {string} */ _, /** @type {string} */ k) => given[Number(k)]);
  app.toLayer = (/** @type {number} */ layer) => {
    const { channel: open, scales, step } = app.state;
    const lost = layer === app.state.layer || (open === null && !scales.size) ? "" : app.words("lost", app.layer().said);
    app.update({ layer, conv: null, step: step && [], ...(layer === app.state.layer ? {} : { channel: null, scales: new Map() }) });
    app.tell(lost);
    return lost;
  };
  // What is in a panel is drawn first: it would grow after the jump, and stop it short.
  app.goTo = (/** @type {string} */ id) => {
    const panel = app.byId(id);
    panel.open = true;
    app.draw();
    panel.scrollIntoView({ block: "nearest" });
    panel.querySelector("summary").focus({ preventScroll: true });
  };
  for (const id of PANELS) app.on(id, "toggle", () => app.draw());
  saving(app);
  return app;
}

/**
 * Remember what is shown in the address.
 * @param {string} said
 */
function remember(said) {
  try {
    history.pushState(null, "", `#${said}`);
  } catch {
    // In a frame of a notebook there is no address.
  }
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
    apps[0].linked?.read();
    apps.forEach((/** @type {any} */ app) => app.draw());
  });
  // For tests, and for whoever looks into the page.
  const arithmetic = Object.fromEntries([["rowOf", rowOf], ["valueAt", valueAt], ["weightsOf", weightsOf], ["weighted", weighted], ["classMap", classMap], ["fieldAt", fieldAt], ["stretched", stretched], ["workedOut", workedOut], ["scoresWith", scoresWith], ["probabilitiesOf", probabilitiesOf]]);
  Object.assign(window, { cnnviz: { app: apps[0], apps, arithmetic } });
}
