// One channel: its map, its values here, its kernel, and its page in a gallery.

import { shareWithout } from "./answers.js";
import { largest, valueAt } from "./arithmetic.js";
import { made, percent, written } from "../../pages/scripts/dom.js";
import { muteButton } from "./mute.js";

const BINS = 24;

/**
 * @param {any} app
 * @returns {() => void}
 */
export function channel(app) {
  const field = app.byId("channel-number");
  field.addEventListener("change", () => {
    const given = field.value;
    const value = Number(given);
    const count = app.layer().maps.shape[0];
    const known = Number.isInteger(value) && value >= 0 && value < count;
    app.update({ channel: given !== "" && known ? value : null });
    if (!known) app.says("channel-count", app.words("no channel", given, count - 1, app.layer().said));
  });
  app.on("channel-none", "click", () => app.update({ channel: null }));
  const mute = muteButton(app, () => app.state.channel ?? 0, (muted) => (muted ? "Unmute it" : "Mute it"));
  app.byId("channel-unknown").before(mute);
  app.on("channel-how", "click", () => app.works(app.state.channel, null));
  mute.id = `channel-mute${app.suffix}`;
  mute.setAttribute("aria-describedby", `channel-unknown${app.suffix}`);
  return () => {
    if (!app.byId("channel").open) return;
    const { channel: c } = app.state;
    const layer = app.layer();
    const [count, height, width] = layer.maps.shape;
    field.max = String(count - 1);
    field.value = c === null ? "" : String(c);
    app.says("channel-count", `of 0 to ${count - 1} in ${layer.said}`);
    app.byId("channel-body").hidden = c === null;
    app.byId("channel-none").hidden = c === null;
    app.byId("channel-how").hidden = c === null || app.madeBy(c) === null;
    if (c === null) return;
    const values = Float32Array.from({ length: height * width }, (_, p) => valueAt(layer, c, p, height * width));
    const most = largest(values, 1)[0];
    const dead = values.every((one) => one === 0);
    app.says("channel-said", dead
      ? "It is zero everywhere in this photo."
      : app.words("channel", written(values[most]), Math.floor(most / width), most % width, written(values.reduce((one, other) => one + other, 0) / values.length), values.filter((one) => one > 0).length, values.length));
    histogram(app.byId("channel-histogram"), values);
    app.says("channel-unknown", mute.show() || without(app, c));
    kernel(app, app.byId("channel-kernel"), c);
    patches(app, layer, c);
  };
}

/** @param {any} app @param {number} c */
function without(app, c) {
  const name = app.data.names[app.state.class];
  const share = shareWithout(app, c);
  return share === null ? "" : `${name} without it: ${percent(share)}; with it: ${percent(app.data.probabilities.values[app.state.class])}.`;
}

/**
 * Show the sheet of the channel that a gallery has, and lead to its page there.
 * @param {any} app
 * @param {any} layer
 * @param {number} c
 */
function patches(app, layer, c) {
  const address = (app.data.unitPages ?? {})[layer.name];
  const figure = app.byId("channel-patches");
  figure.hidden = !address;
  if (!address) return;
  for (const id of ["channel-gallery", "channel-page"]) app.byId(id).href = `${address}/${c}.html`;
  const picture = figure.querySelector("img");
  const wanted = `${address}/${c}.webp`;
  if (picture.getAttribute("src") !== wanted) picture.src = wanted;
}

/** @param {SVGElement} svg @param {Float32Array} values */
function histogram(svg, values) {
  const low = values.reduce((one, other) => Math.min(one, other), 0);
  const high = values.reduce((one, other) => Math.max(one, other), 0);
  const counts = new Array(BINS).fill(0);
  for (const value of values) counts[Math.min(BINS - 1, Math.floor(((value - low) / (high - low || 1)) * BINS))] += 1;
  const most = Math.max(...counts);
  svg.replaceChildren(
    ...counts.map((count, k) => made("rect", { class: "fill", x: k * 10 + 1, width: 8, y: 60 - (60 * count) / most, height: (60 * count) / most })),
    made("line", { class: "axis", x1: 0, x2: BINS * 10, y1: 60, y2: 60 }),
    made("text", { x: 0, y: 74, class: "small", text: written(low) }),
    made("text", { x: BINS * 10, y: 74, class: "small", "text-anchor": "end", text: written(high) }),
    made("text", { x: BINS * 5, y: 74, class: "small", "text-anchor": "middle", text: "activation" }),
  );
}

/** @param {any} app @param {any} holder @param {number} c */
function kernel(app, holder, c) {
  const step = app.data.convolutions.find((/** @type {any} */ one) => one.first && one.layers.includes(app.layer().name));
  const row = step ? step.channels.values.indexOf(c) : -1;
  holder.hidden = row < 0;
  if (row < 0) return;
  const [, colours, rows, columns] = step.kernels.shape;
  const canvas = holder.querySelector("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const values = step.kernels.values.subarray(row * colours * rows * columns, (row + 1) * colours * rows * columns);
  const top = values.reduce((/** @type {number} */ one, /** @type {number} */ other) => Math.max(one, Math.abs(other)), 0) || 1;
  const image = new ImageData(columns, rows);
  for (let p = 0; p < rows * columns; p += 1) {
    for (let k = 0; k < 3; k += 1) image.data[4 * p + k] = 127.5 + (127.5 * values[(colours === 3 ? k : 0) * rows * columns + p]) / top;
    image.data[4 * p + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}
