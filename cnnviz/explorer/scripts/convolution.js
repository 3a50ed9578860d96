// The first convolution at one place, number by number.

import { made, written } from "./dom.js";

/**
 * Work out one output of the convolution.
 * @param {any} step
 * @param {number[]} size height and width of the input
 * @param {number} c
 * @param {number} row
 * @param {number} column
 */
export function workedOut(step, size, c, row, column) {
  const [, colours, rows, columns] = step.kernels.shape;
  const [height, width] = size;
  /** @type {{patch: number[], kernel: number[], products: number[]}[]} */
  const planes = [];
  let sum = 0;
  for (let k = 0; k < colours; k += 1) {
    const plane = { patch: /** @type {number[]} */ ([]), kernel: /** @type {number[]} */ ([]), products: /** @type {number[]} */ ([]) };
    for (let i = 0; i < rows; i += 1) {
      for (let j = 0; j < columns; j += 1) {
        const y = row * step.stride[0] - step.padding[0] + i * step.dilation[0];
        const x = column * step.stride[1] - step.padding[1] + j * step.dilation[1];
        const outside = y < 0 || x < 0 || y >= height || x >= width;
        const pixel = outside ? 0 : step.low.values[k] + step.step.values[k] * step.pixels.values[(k * height + y) * width + x];
        const weight = step.kernels.values[((c * colours + k) * rows + i) * columns + j] * step.kernelStep.values[c];
        plane.patch.push(pixel);
        plane.kernel.push(weight);
        plane.products.push(pixel * weight);
        sum += pixel * weight;
      }
    }
    planes.push(plane);
  }
  const biased = sum + step.bias.values[c];
  const normalised = biased * step.scale.values[c] + step.shift.values[c];
  const acts = step.activation === "ReLU";
  return { planes, sum, bias: step.bias.values[c], biased, normalised, activated: acts ? Math.max(0, normalised) : normalised };
}

/**
 * @param {any} app
 * @returns {() => void}
 */
export function convolution(app) {
  const step = app.data.convolution;
  const panel = app.byId("convolution");
  if (!step) {
    panel.hidden = true;
    return () => {};
  }
  const [count, , rows, columns] = step.kernels.shape;
  const sizes = [0, 1].map((k) => Math.floor((app.data.input[k] + 2 * step.padding[k] - step.dilation[k] * (step.kernels.shape[2 + k] - 1) - 1) / step.stride[k]) + 1);
  const limits = [count, ...sizes];
  const fields = ["step-channel", "step-row", "step-column"].map(app.byId);
  fields.forEach((field, k) => {
    field.max = String(limits[k] - 1);
    field.addEventListener("change", () => {
      const now = now_();
      now[k] = Math.min(limits[k] - 1, Math.max(0, Math.round(Number(field.value)) || 0));
      app.update({ step: now });
    });
  });
  /** @returns {number[]} */
  function now_() {
    const middle = [0, Math.floor(sizes[0] / 2), Math.floor(sizes[1] / 2)];
    const asked = app.state.step ?? middle;
    const under = app.hovered ? [asked[0], Math.floor(app.hovered[1] * sizes[0]), Math.floor(app.hovered[0] * sizes[1])] : asked;
    return under.map((/** @type {number} */ one, /** @type {number} */ k) => Math.min(limits[k] - 1, one));
  }
  return () => {
    if (!panel.open) return;
    const [c, row, column] = now_();
    fields.forEach((field, k) => { if (document.activeElement !== field) field.value = String([c, row, column][k]); });
    const found = workedOut(step, app.data.input, c, row, column);
    const names = found.planes.length === 3 ? ["red", "green", "blue"] : found.planes.map((_, k) => `channel ${k}`);
    app.byId("planes").replaceChildren(...found.planes.map((plane, k) =>
      made("div", { class: "plane" }, [
        made("h2", { text: names[k] }),
        grid("patch", plane.patch, columns), made("span", { class: "sign", text: "\u00d7" }),
        grid("kernel", plane.kernel, columns), made("span", { class: "sign", text: "=" }),
        grid("products", plane.products, columns),
      ])));
    const lines = [`sum of the ${rows * columns * found.planes.length} products: ${written(found.sum)}`];
    if (found.bias !== 0) lines.push(`with the bias ${written(found.bias)}: ${written(found.biased)}`);
    if (step.normalised) lines.push(`after batch normalisation (times ${written(step.scale.values[c])}, plus ${written(step.shift.values[c])}): ${written(found.normalised)}`);
    if (step.activation === "ReLU") lines.push(`after ReLU: ${written(found.activated)}`);
    else if (step.activation) lines.push(`${step.activation} follows.`);
    if (!step.own) lines.push("The input is kept in 256 steps for each channel, so that the last digits may differ.");
    app.byId("worked").replaceChildren(...lines.map((text) => made("li", { text })));
  };
}

/** @param {string} what @param {number[]} values @param {number} columns */
function grid(what, values, columns) {
  const top = Math.max(...values.map(Math.abs)) || 1;
  return made("table", { class: "numbers" }, [
    made("caption", { text: what }),
    made("tbody", {}, Array.from({ length: values.length / columns }, (_, i) =>
      made("tr", {}, values.slice(i * columns, (i + 1) * columns).map((one) =>
        made("td", { class: `${one < 0 ? "minus" : "plus"} tint-${Math.round((4 * Math.abs(one)) / top)}`, text: written(Math.abs(one) < 5e-4 ? 0 : Number(one.toPrecision(2))) }))))),
  ]);
}
