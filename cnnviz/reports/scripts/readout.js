// The values of a picture over steps: under the pointer, or where the controls beside it stand.

import { made, written } from "../../pages/scripts/dom.js";

/**
 * @param {any} data
 */
export function readout(data) {
  const figure = document.getElementById(`picture-${data.name}`);
  const link = /** @type {HTMLElement|null} */ (figure?.querySelector("a.enlarge"));
  if (!figure || !link) return;
  const picture = /** @type {HTMLElement} */ (link.querySelector("img"));
  const [left, top, right, bottom, low, high] = data.panel;
  const steps = data.steps.values;
  const count = steps.length;
  const mark = made("span", { class: "readout-mark", "aria-hidden": "true" });
  const step = made("input", { type: "range", min: 0, max: count - 1, value: count - 1 });
  const row = made("select", {}, data.rows.map((/** @type {string} */ text, /** @type {number} */ k) => made("option", { value: k, text })));
  const said = made("output", { "aria-live": "polite" });
  const labels = [made("label", {}, ["Step ", step])];
  if (data.rows.length > 1) labels.push(made("label", {}, ["Layer ", row]));
  link.append(mark);
  link.after(made("div", { class: "live-row readout" }, [...labels, said]));

  const across = (/** @type {number} */ k) => left + ((steps[k] - low) / (high - low)) * (right - left);
  const show = () => {
    const at = Number(step.value);
    const line = Number(row.value);
    const value = data.values.values[line * count + at];
    const told = Number.isNaN(value) ? "not measured" : Number.isFinite(value) ? written(value) : "not finite";
    said.textContent = `Step ${steps[at]}, ${data.rows[line]}: ${told}`;
    const tall = (bottom - top) / (data.stacked ? data.rows.length : 1);
    mark.style.left = `${picture.offsetLeft + across(at) * picture.offsetWidth}px`;
    mark.style.top = `${picture.offsetTop + (top + (data.stacked ? line * tall : 0)) * picture.offsetHeight}px`;
    mark.style.height = `${tall * picture.offsetHeight}px`;
  };
  const point = (/** @type {PointerEvent} */ event) => {
    const place = picture.getBoundingClientRect();
    const x = (event.clientX - place.left) / place.width;
    const y = (event.clientY - place.top) / place.height;
    if (x < left || x > right || y < top || y > bottom) return;
    step.value = String(nearest(steps, low + ((x - left) / (right - left)) * (high - low)));
    if (data.stacked) row.value = String(Math.min(data.rows.length - 1, Math.floor(((y - top) / (bottom - top)) * data.rows.length)));
    show();
  };
  link.addEventListener("pointermove", point);
  step.addEventListener("input", show);
  row.addEventListener("change", show);
  new ResizeObserver(show).observe(picture);
  show();
}

/** @param {Float32Array} steps from the first to the last @param {number} wanted */
function nearest(steps, wanted) {
  let best = 0;
  for (let k = 1; k < steps.length; k += 1) if (Math.abs(steps[k] - wanted) < Math.abs(steps[best] - wanted)) best = k;
  return best;
}
