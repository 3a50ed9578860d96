// A convolution at one place, number by number.

import { largest } from "./arithmetic.js";
import { made, placed, written } from "../../pages/scripts/dom.js";

const PLANES = 8;

/**
 * Work out one output of a convolution.
 * @param {any} step
 * @param {number} held which of the output channels that are held
 * @param {number} row
 * @param {number} column
 */
export function workedOut(step, held, row, column) {
  const [, each, rows, columns] = step.kernels.shape;
  const [, height, width] = step.pixels.shape;
  const first = Math.floor(step.channels.values[held] / (step.count / step.groups)) * each;
  /** @type {{channel: number, patch: number[], kernel: number[], products: number[], sum: number}[]} */
  const planes = [];
  let sum = 0;
  for (let k = 0; k < each; k += 1) {
    const plane = { channel: first + k, patch: /** @type {number[]} */ ([]), kernel: /** @type {number[]} */ ([]), products: /** @type {number[]} */ ([]), sum: 0 };
    for (let i = 0; i < rows; i += 1) {
      for (let j = 0; j < columns; j += 1) {
        const y = row * step.stride[0] - step.padding[0] + i * step.dilation[0];
        const x = column * step.stride[1] - step.padding[1] + j * step.dilation[1];
        const outside = y < 0 || x < 0 || y >= height || x >= width;
        const value = outside ? 0 : step.low.values[first + k] + step.step.values[first + k] * step.pixels.values[((first + k) * height + y) * width + x];
        const weight = step.kernels.values[((held * each + k) * rows + i) * columns + j] * step.kernelStep.values[held];
        plane.patch.push(value);
        plane.kernel.push(weight);
        plane.products.push(value * weight);
        plane.sum += value * weight;
      }
    }
    sum += plane.sum;
    planes.push(plane);
  }
  const biased = sum + step.bias.values[held];
  const normalised = biased * step.scale.values[held] + step.shift.values[held];
  const acts = step.activation === "ReLU";
  return { planes, sum, bias: step.bias.values[held], biased, normalised, activated: acts ? Math.max(0, normalised) : normalised };
}

/**
 * Return height and width of what a convolution gives.
 * @param {any} step
 * @returns {number[]}
 */
function sizeOf(step) {
  return [0, 1].map((k) => Math.floor((step.pixels.shape[1 + k] + 2 * step.padding[k] - step.dilation[k] * (step.kernels.shape[2 + k] - 1) - 1) / step.stride[k]) + 1);
}

/**
 * @param {any} app
 * @returns {() => void}
 */
export function convolution(app) {
  const steps = app.data.convolutions;
  const panel = app.byId("convolution");
  if (!steps.length) {
    panel.hidden = true;
    app.madeBy = () => null;
    return () => {};
  }
  const [which, channel, ...places] = ["step-which", "step-channel", "step-row", "step-column"].map(app.byId);
  which.replaceChildren(...steps.map((/** @type {any} */ one, /** @type {number} */ k) =>
    made("option", { value: k, text: one.name })));
  which.addEventListener("change", () => app.update({ conv: Number(which.value), step: [] }));
  panel.addEventListener("toggle", () => { if (panel.open !== (app.state.step !== null)) app.update({ step: panel.open ? [] : null }); });
  /** @type {any} */
  let filled = null;
  const chosen = () => steps[app.state.conv ?? steps.findIndex((/** @type {any} */ one) => one.ends === app.layer().name)] ?? steps[0];
  const now = () => {
    const step = chosen();
    const sizes = sizeOf(step);
    const asked = app.state.step?.length ? app.state.step : null;
    const own = numberIn(app, step, app.state.channel);
    const held = Math.max(0, step.channels.values.indexOf(asked ? asked[0] : own));
    const [x, y] = app.hovered ?? app.state.at.at(-1) ?? [0.5, 0.5];
    const under = asked && !app.hovered ? asked.slice(1) : [Math.floor(y * sizes[0]), Math.floor(x * sizes[1])];
    return { step, own, sizes, held, at: under.map((/** @type {number} */ one, /** @type {number} */ k) => Math.min(sizes[k] - 1, one)) };
  };
  app.stepNow = () => {
    const { step, held, at } = now();
    return [step.channels.values[held], ...at];
  };
  // Which channel of a convolution gives one of the layer that is shown, if the page holds it.
  app.madeBy = (/** @type {number} */ c) => {
    const step = steps.find((/** @type {any} */ one) => one.ends === app.layer().name);
    const own = step ? numberIn(app, step, c) : -1;
    return own >= 0 && step.channels.values.includes(own) ? own : null;
  };
  app.works = (/** @type {number} */ c, /** @type {[number, number]|null} */ at) => {
    const cell = at && app.cellAt(at);
    app.update({ channel: c, conv: null, step: cell ? [app.madeBy(c), cell.row, cell.column] : [] });
    app.goTo("convolution");
  };
  channel.addEventListener("change", () => app.update({ step: [Number(channel.value), ...now().at] }));
  places.forEach((field, k) => field.addEventListener("change", () => {
    const { step, sizes, held, at } = now();
    at[k] = Math.min(sizes[k] - 1, Math.max(0, Math.round(Number(field.value)) || 0));
    app.update({ step: [step.channels.values[held], ...at] });
  }));
  // Arrow keys move the output; the place is remembered when the key is let go.
  const arrows = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  for (const kind of ["keydown", "keyup"]) app.on("planes", kind, (/** @type {KeyboardEvent} */ event) => {
    const move = arrows[/** @type {keyof typeof arrows} */ (event.key)];
    if (!move) return;
    event.preventDefault();
    const { step, sizes, held, at } = now();
    const to = kind === "keyup" ? at : at.map((/** @type {number} */ one, /** @type {number} */ k) => Math.min(sizes[k] - 1, Math.max(0, one + move[k])));
    app.update({ step: [step.channels.values[held], ...to] }, kind === "keyup");
  });
  return () => {
    if (!panel.open) return;
    const { step, sizes, held, at, own } = now();
    if (filled !== step) {
      const numbers = [...step.channels.values];
      channel.replaceChildren(...numbers.map((c) => made("option", { value: c, text: c })));
      const said = [step.first && "It reads the photo.", step.ends && (step.ends === step.name ? app.words("activation") : `It leads to ${step.said}.`), numbers.length < step.count && app.words("kernels held", numbers.length, step.count)];
      app.says("step-held", said.filter(Boolean).join(" "));
      filled = step;
    }
    app.says("step-same", sameAs(app, step, own));
    which.value = String(steps.indexOf(step));
    channel.value = String(step.channels.values[held]);
    places.forEach((field, k) => {
      field.max = String(sizes[k] - 1);
      if (document.activeElement !== field) field.value = String(at[k]);
    });
    const found = workedOut(step, held, at[0], at[1]);
    const columns = step.kernels.shape[3];
    const shown = found.planes.length > PLANES ? largest(found.planes.map((one) => one.sum), PLANES, Math.abs) : found.planes.map((_, k) => k);
    app.byId("planes").replaceChildren(...shown.map((k) => found.planes[k]).map((plane) =>
      made("div", { class: "plane" }, [
        made("h2", { text: step.first && found.planes.length === 3 ? ["red", "green", "blue"][plane.channel] : `channel ${plane.channel}` }),
        grid("patch", plane.patch, columns),
        term("\u00d7", grid("kernel", plane.kernel, columns)),
        term("=", grid("products", plane.products, columns), made("span", { class: "aside", text: `sum ${written(plane.sum)}` })),
      ])));
    app.byId("worked").replaceChildren(...lines(app, step, held, found, shown).map((text) => made("li", { text })));
  };
}

/** @param {any} app @param {any} step @param {number|null} c @returns {number} */
function numberIn(app, step, c) {
  return c === null || step.begins === null || step.ends !== app.layer().name ? -1 : c - step.begins;
}

/** @param {any} app @param {any} step @param {number} own */
function sameAs(app, step, own) {
  const { channel: c } = app.state;
  if (c === null || step.begins === null || step.ends !== app.layer().name) return "";
  if (own < 0 || own >= step.count) return app.words("not made here", c, step.said, step.begins, step.begins + step.count - 1);
  return app.words(step.channels.values.includes(own) ? "same channel" : "no kernel", c, step.said, own);
}

/** @param {any} app @param {any} step @param {number} held @param {any} found @param {number[]} shown */
function lines(app, step, held, found, shown) {
  const said = [];
  const { planes } = found;
  if (shown.length < planes.length) {
    const rest = found.sum - shown.reduce((total, k) => total + planes[k].sum, 0);
    said.push(app.words("others together", shown.length, planes.length, written(rest)));
  }
  said.push(`sum of the ${planes.length * planes[0].products.length} products: ${written(found.sum)}`);
  if (found.bias !== 0) said.push(`with the bias ${written(found.bias)}: ${written(found.biased)}`);
  if (step.normalised) said.push(app.words("normalised", written(step.scale.values[held]), written(step.shift.values[held]), written(found.normalised)));
  if (step.activation === "ReLU") said.push(`after ReLU: ${written(found.activated)}`);
  else if (step.activation) said.push(`${step.activation} follows.`);
  if (!step.own) said.push(app.words("rounded", written(step.error), step.normalised ? `, here ${written(step.error * Math.abs(step.scale.values[held]))} after the normalisation` : ""));
  return said;
}

/**
 * Keep a sign beside what it belongs to where a line breaks.
 * @param {string} sign
 * @param {...any} parts
 */
function term(sign, ...parts) {
  return made("div", { class: "term" }, [made("span", { class: "sign", text: sign }), ...parts]);
}

/** @param {string} what @param {number[]} values @param {number} columns */
function grid(what, values, columns) {
  const top = Math.max(...values.map(Math.abs)) || 1;
  return made("table", { class: "numbers" }, [
    made("caption", { text: what }),
    made("tbody", {}, Array.from({ length: values.length / columns }, (_, i) =>
      made("tr", {}, values.slice(i * columns, (i + 1) * columns).map((one) =>
        made("td", { class: `${one < 0 ? "minus" : "plus"} tint-${Math.round((4 * Math.abs(one)) / top)}`, text: one !== 0 && Math.abs(one) < 1e-3 ? placed(one, 5) : written(one) }))))),
  ]);
}
