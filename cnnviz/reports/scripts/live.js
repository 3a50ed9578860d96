// The heatmap at the head of an image, of another class or layer, and with another opacity.

import { made, written } from "../../pages/scripts/dom.js";
import { coloursOf, stretched } from "../../pages/scripts/maps.js";
import { bytesOf, filledIn, inflated } from "../../pages/scripts/pack.js";
import { readout } from "./readout.js";

const SIDE = 320;

/** Draw the maps of all images, and tell the values of pictures; without this the still pictures stay. */
export async function live() {
  const text = (/** @type {string} */ id) => (document.getElementById(id)?.textContent ?? "").trim();
  const buffer = await inflated(bytesOf(text("live-data")));
  const { images, readouts, bright, signed } = filledIn(JSON.parse(text("live-head")), buffer);
  for (const one of readouts) readout(one);
  for (const image of images) begun(image, bright.values, signed.values);
}

/** @param {any} image @param {Uint8Array} bright @param {Uint8Array} signed */
function begun(image, bright, signed) {
  const holder = document.getElementById(`live-${image.place}`);
  if (!holder) return;
  const answer = /** @type {HTMLElement} */ (holder.closest(".answer"));
  const photo = /** @type {HTMLImageElement} */ (answer.querySelector("figure img"));
  const [canvas, classes, layers, opacity, against, output, said, here] = ["canvas", ".live-class", ".live-layer", "input[type=range]", "input[type=checkbox]", "output", "figcaption", ".live-here"].map((one) => /** @type {any} */ (holder.querySelector(one)));
  const options = (/** @type {string[]} */ names) => names.map((name, k) => made("option", { value: k, text: name }));
  classes.replaceChildren(...options(image.classes));
  layers.replaceChildren(...options(image.layers.map((/** @type {any} */ one) => one.name)));
  layers.value = String(image.layers.length - 1);

  const shown = () => {
    const layer = image.layers[Number(layers.value)];
    const [, height, width] = layer.maps.shape;
    const row = Number(classes.value);
    const whole = layer.maps.values.subarray(row * height * width, (row + 1) * height * width);
    const values = Float32Array.from(whole, (one) => one * layer.step.values[row]);
    const drawn = against.checked ? values : values.map((one) => Math.max(0, one));
    return { layer, height, width, values, drawn, top: drawn.reduce((most, one) => Math.max(most, Math.abs(one)), 0) };
  };
  const draw = () => {
    const { layer, height, width, drawn, top } = shown();
    canvas.width = photo.naturalWidth;
    canvas.height = photo.naturalHeight;
    const pen = canvas.getContext("2d");
    pen.drawImage(photo, 0, 0, canvas.width, canvas.height);
    const [left, upper, right, lower] = image.box;
    const wide = (right - left) * canvas.width;
    const high = (lower - upper) * canvas.height;
    const columns = wide > high ? SIDE : Math.max(1, Math.round((SIDE * wide) / high));
    const rows = wide > high ? Math.max(1, Math.round((SIDE * high) / wide)) : SIDE;
    const map = document.createElement("canvas");
    map.width = columns;
    map.height = rows;
    const pixels = coloursOf(stretched(drawn, height, width, rows, columns), top, against.checked, against.checked ? signed : bright);
    map.getContext("2d")?.putImageData(new ImageData(pixels, columns, rows), 0, 0);
    pen.globalAlpha = Number(opacity.value);
    pen.drawImage(map, left * canvas.width, upper * canvas.height, wide, high);
    output.textContent = `${Math.round(Number(opacity.value) * 100)}%`;
    const name = image.classes[Number(classes.value)];
    const mark = layer.marks[Number(classes.value)];
    const ends = top === 0 ? (mark ? "zero everywhere" : "nothing there is evidence for it") : `${against.checked ? written(-top) : "0"} to ${written(top)}`;
    said.textContent = `Grad-CAM for ${name} at ${layer.name} (${height} x ${width} places), ${ends}${mark && `; ${mark}`}.`;
    canvas.setAttribute("aria-label", said.textContent);
  };
  const tell = (/** @type {PointerEvent} */ event) => {
    const { height, width, values } = shown();
    const place = canvas.getBoundingClientRect();
    const [left, upper, right, lower] = image.box;
    const at = [((event.clientY - place.top) / place.height - upper) / (lower - upper), ((event.clientX - place.left) / place.width - left) / (right - left)];
    if (at.some((one) => one < 0 || one >= 1)) return;
    const [row, column] = [Math.floor(at[0] * height), Math.floor(at[1] * width)];
    here.textContent = `Row ${row}, column ${column}: ${written(values[row * width + column])}.`;
  };
  for (const one of [classes, layers, against]) one.addEventListener("change", draw);
  opacity.addEventListener("input", draw);
  canvas.addEventListener("pointermove", tell);
  canvas.addEventListener("pointerdown", tell);
  const begin = () => {
    holder.hidden = false;
    answer.classList.add("alive");
    draw();
  };
  if (photo.complete && photo.naturalWidth) begin();
  else photo.addEventListener("load", begin);
}
