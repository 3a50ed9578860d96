// The picture that is shown, as a file.

import { made } from "../../pages/scripts/dom.js";

const LEAST = 960;

/** @param {any} app */
export function saving(app) {
  const text = () => new XMLSerializer().serializeToString(vectors(app));
  app.on("save-svg", "click", () => handed(new Blob([text()], { type: "image/svg+xml" }), `${nameOf(app)}.svg`));
  app.on("save-png", "click", async () => {
    const image = new Image();
    image.src = `data:image/svg+xml,${encodeURIComponent(text())}`;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.width, image.height];
    canvas.getContext("2d")?.drawImage(image, 0, 0);
    canvas.toBlob((blob) => handed(/** @type {Blob} */ (blob), `${nameOf(app)}.png`));
  });
  app.on("copy-address", "click", async () => {
    let where = "is copied";
    await navigator.clipboard.writeText(location.href).catch(() => { where = "is in the address bar"; });
    // What leads to a file of this machine leads nobody else to it.
    app.tell(app.words(location.protocol === "file:" ? "local" : "public", where));
  });
}

/**
 * Return what a file is called: by all that it shows.
 * @param {any} app
 */
function nameOf(app) {
  const { data, state } = app;
  const against = state.against === null ? "" : `-not-${data.names[state.against]}`;
  const what = state.channel === null ? `${state.method}-${data.names[state.class]}${against}` : `channel-${state.channel}`;
  const muted = [...state.scales].map(([c, by]) => (by === 0 ? `-without-${c}` : `-${c}-times-${by}`)).join("");
  return `${data.photo.replace(/\.[^.]*$/, "")}-${app.layer().name}-${what}${muted}`.replace(/[^\p{L}\p{N}_-]+/gu, "-");
}

/**
 * Return the picture as it is shown, with its marks, its colours and what they stand for.
 * @param {any} app
 * @returns {SVGElement}
 */
function vectors(app) {
  const [canvas, marks, bar] = ["picture", "marks", "scale-bar"].map(app.byId);
  const [height, width] = app.data.input;
  const wide = Math.max(LEAST, canvas.width, Math.round(marks.getBoundingClientRect().width * devicePixelRatio));
  const high = Math.round((wide * height) / width);
  const unit = wide / 48;
  const copy = marks.cloneNode(true);
  [...copy.children].forEach((/** @type {SVGElement} */ one, /** @type {number} */ k) => {
    const look = getComputedStyle(marks.children[k]);
    for (const name of ["fill", "stroke", "stroke-dasharray", "font-family", "font-weight", "paint-order"]) one.setAttribute(name, look.getPropertyValue(name));
    // That of letters is in parts of their size.
    if (one.tagName !== "text") one.setAttribute("vector-effect", "non-scaling-stroke");
    one.setAttribute("stroke-width", one.tagName === "text" ? ".12em" : String((parseFloat(look.strokeWidth) * wide) / 480));
  });
  copy.setAttribute("width", String(wide));
  copy.setAttribute("height", String(high));
  copy.prepend(made("image", { href: canvas.toDataURL("image/png"), width, height, preserveAspectRatio: "none" }));
  let y = high + unit;
  const inside = [copy];
  const put = (/** @type {number} */ x, /** @type {string} */ text, anchor = "start") => inside.push(made("text", { x, y, text, "text-anchor": anchor }));
  if (!bar.parentElement.hidden) {
    const [low, top, said] = ["scale-low", "scale-high", "scale-said"].map((id) => app.byId(id).textContent);
    inside.push(made("image", { href: bar.toDataURL(), x: unit, y, width: unit * 18, height: unit, preserveAspectRatio: "none" }));
    y += unit;
    put(unit * 20, said);
    y += unit * 1.2;
    put(unit, low);
    put(unit * 19, top, "end");
  }
  for (const line of captioned(app)) {
    y += unit * 1.5;
    put(unit, line);
  }
  y += unit;
  return made("svg", { xmlns: "http://www.w3.org/2000/svg", width: wide, height: Math.ceil(y), viewBox: `0 0 ${wide} ${Math.ceil(y)}`, "font-family": "sans-serif", "font-size": unit, fill: "#1c1c1c" },
    [made("rect", { width: wide, height: Math.ceil(y), fill: "#fff" }), ...inside]);
}

/** @param {any} app @returns {string[]} lines of what is said of the picture */
function captioned(app) {
  const { data, state } = app;
  const [, rows, columns] = app.layer().maps.shape;
  const said = [`${data.photo} in ${data.model}: ${app.byId("verdict").textContent}${state.scales.size ? ` (${app.byId("changed-said").textContent})` : ""}.`, app.byId("told").textContent];
  state.at.forEach((/** @type {[number, number]} */ at, /** @type {number} */ k) => {
    const { row, column } = app.cellAt(at);
    said.push(app.words("place", String.fromCharCode(65 + k), row, rows - 1, column, columns - 1));
  });
  return said.flatMap((text) => text.match(/.{1,84}(?:\s|$)|\S{84}/g) ?? []);
}

/** @param {Blob} blob @param {string} name */
function handed(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
