// The photo with the map over it, and what is marked on it.

import { fieldAt } from "./arithmetic.js";
import { made, written } from "../../pages/scripts/dom.js";
import { coloursOf, stretched } from "../../pages/scripts/maps.js";
import { shownMap } from "./shown.js";

const SIDE = 320;

/**
 * Draw the photo with the map, and listen to who points at it.
 * @param {any} app
 * @returns {() => void}
 */
export function picture(app) {
  const canvas = app.byId("picture");
  const photo = app.byId("photo");
  canvas.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
    if (event.pointerType === "mouse") app.point(placeOf(event));
  });
  // What was pointed at stays listed, so that the pointer can go there.
  canvas.addEventListener("pointerleave", () => app.leave());
  canvas.addEventListener("click", (/** @type {MouseEvent} */ event) => app.keep(placeOf(event)));
  canvas.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => moved(app, event));
  canvas.addEventListener("blur", () => app.leave());

  /** @param {MouseEvent} event @returns {[number, number]} */
  function placeOf(event) {
    const box = canvas.getBoundingClientRect();
    const share = (/** @type {number} */ at, /** @type {number} */ size) => Math.min(0.9999, Math.max(0, at / size));
    return [share(event.clientX - box.left, box.width), share(event.clientY - box.top, box.height)];
  }

  return () => draw(app, canvas, photo);
}

/** @param {any} app @param {HTMLCanvasElement} canvas @param {HTMLImageElement} photo */
function draw(app, canvas, photo) {
  const map = shownMap(app);
  drawScale(app, map);
  canvas.width = photo.naturalWidth || SIDE;
  canvas.height = photo.naturalHeight || SIDE;
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.drawImage(photo, 0, 0, canvas.width, canvas.height);
  if (map === null) return;
  pen.globalAlpha = app.state.opacity;
  pen.imageSmoothingEnabled = true;
  pen.drawImage(coloured(app, map), 0, 0, canvas.width, canvas.height);
  pen.globalAlpha = 1;
}

/**
 * Draw the colours beside the values that they stand for.
 * @param {any} app
 * @param {{signed: boolean, top: number}|null} map
 */
function drawScale(app, map) {
  app.byId("scale-bar").parentElement.hidden = map === null || app.state.opacity === 0;
  if (map === null) return;
  const clipped = app.state.clip < 1 ? " or more" : "";
  app.says("scale-low", map.signed ? written(-map.top) + (clipped && " or less") : "0");
  app.says("scale-high", written(map.top) + clipped);
  app.says("scale-said", app.state.channel === null ? app.data.methodNames[app.state.method] : "activation");
  const image = new ImageData(256, 1);
  const table = tableOf(app, map.signed);
  for (let k = 0; k < 256; k += 1) {
    for (let c = 0; c < 3; c += 1) image.data[4 * k + c] = table[3 * k + c];
    image.data[4 * k + 3] = 255;
  }
  app.byId("scale-bar").getContext("2d").putImageData(image, 0, 0);
}

/** @param {any} app @param {boolean} signed */
function tableOf(app, signed) {
  return (signed ? app.data.diverging : app.data.colours[app.state.colours]).values;
}

/**
 * Colour a map, stretched.
 * @param {any} app
 * @param {{values: Float32Array, height: number, width: number, signed: boolean, top: number}} map
 * @returns {HTMLCanvasElement}
 */
export function coloured(app, map) {
  const ratio = app.data.input[0] / app.data.input[1];
  const columns = ratio > 1 ? Math.round(SIDE / ratio) : SIDE;
  const rows = ratio > 1 ? SIDE : Math.round(SIDE * ratio);
  const found = document.createElement("canvas");
  found.width = columns;
  found.height = rows;
  const values = stretched(map.values, map.height, map.width, rows, columns);
  const image = new ImageData(coloursOf(values, map.top, map.signed, tableOf(app, map.signed)), columns, rows);
  /** @type {CanvasRenderingContext2D} */ (found.getContext("2d")).putImageData(image, 0, 0);
  return found;
}

/**
 * Mark the places that are looked at, and what they see.
 * @param {any} app
 */
export function drawMarks(app) {
  const marks = app.byId("marks");
  const [height, width] = app.data.input;
  marks.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const layer = app.layer();
  const passing = app.passing();
  const places = passing === null ? app.state.at : [...app.state.at, passing];
  const [rows, columns] = [layer.maps.shape[1], layer.maps.shape[2]];
  marks.replaceChildren(
    ...places.flatMap((/** @type {[number, number]} */ at, /** @type {number} */ k) => {
      const kept = k < app.state.at.length;
      const { row, column } = app.cellAt(at);
      const look = `mark-${k % 4}${kept ? "" : " hovering"}`;
      const [x, y] = [(column * width) / columns, (row * height) / rows];
      const parts = [];
      if (layer.field) {
        const [top, left, bottom, right] = fieldAt(layer.field, row, column);
        // A frame around all of the photo is drawn inside it, where it can be seen.
        const inset = width / 120;
        if (bottom > top && right > left) parts.push(made("rect", { class: `field ${look}`, x: left + inset, y: top + inset, width: Math.max(1, right - left - 2 * inset), height: Math.max(1, bottom - top - 2 * inset) }));
      }
      parts.push(made("rect", { class: `cell ${look}`, x, y, width: width / columns, height: height / rows }));
      parts.push(made("circle", { class: `spot ${look}`, cx: x + width / columns / 2, cy: y + height / rows / 2, r: Math.max(1, width / 110) }));
      if (kept) parts.push(made("text", { class: "spot-name", x: Math.min(x + width / columns + width / 90, width * 0.94), y: Math.max(y + height / rows / 3, height / 16), "font-size": width / 18, text: String.fromCharCode(65 + k) }));
      return parts;
    }),
  );
}

/** @param {any} app @param {KeyboardEvent} event */
function moved(app, event) {
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const step = steps[/** @type {keyof typeof steps} */ (event.key)];
  const [, rows, columns] = app.layer().maps.shape;
  if (step) {
    const { row, column } = app.cellAt(app.pointed ?? [0.5, 0.5]);
    const inside = (/** @type {number} */ at, /** @type {number} */ count) => Math.min(count - 1, Math.max(0, at));
    const to = app.pointed ? [inside(column + step[0], columns), inside(row + step[1], rows)] : [column, row];
    app.point([(to[0] + 0.5) / columns, (to[1] + 0.5) / rows]);
  } else if ((event.key === "Enter" || event.key === " ") && app.pointed) app.keep(app.pointed);
  else if (event.key === "Escape" || event.key === "Delete") app.forget();
  else return;
  event.preventDefault();
}

