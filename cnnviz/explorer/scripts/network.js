// The drawn network: a click selects a layer; it can be moved and enlarged.

import { made } from "../../pages/scripts/dom.js";

const LINE = 14;

/**
 * @param {any} app
 * @returns {() => void}
 */
export function network(app) {
  const svg = app.byId("map");
  const { size, boxes, arcs, middle } = app.data.network;
  const view = { x: 0, y: 0, width: size[0], height: size[1] };
  const lines = made("g", { class: "ways" });
  boxes.forEach((/** @type {any} */ box, /** @type {number} */ k) => {
    const from = k === 0 ? 0 : boxes[k - 1].x + boxes[k - 1].width;
    lines.append(made("line", { x1: from, x2: box.x, y1: middle, y2: middle, "data-to": k }));
  });
  for (const arc of arcs) lines.append(made("path", { d: arc, class: "skip" }));
  svg.append(lines, ...boxes.map((/** @type {any} */ box) => drawn(app, box)));

  const show = () => svg.setAttribute("viewBox", `${view.x} ${view.y} ${view.width} ${view.height}`);
  /** @param {number} by @param {number} [at] */
  const zoom = (by, at = 0.5) => {
    const width = Math.min(size[0], Math.max(300, view.width * by));
    view.x += (view.width - width) * at;
    view.height = (view.height * width) / view.width;
    view.width = width;
    inside();
    show();
  };
  const inside = () => {
    view.x = Math.min(size[0] - view.width, Math.max(0, view.x));
    view.y = (size[1] - view.height) / 2;
  };
  app.on("zoom-in", "click", () => zoom(0.7));
  app.on("zoom-out", "click", () => zoom(1 / 0.7));
  /** @type {number|null} */
  let held = null;
  let begun = 0;
  svg.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => { held = begun = event.clientX; });
  // What was dragged is not chosen.
  svg.addEventListener("click", (/** @type {MouseEvent} */ event) => { if (event.detail && Math.abs(event.clientX - begun) > 4) event.stopPropagation(); }, true);
  svg.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
    if (held === null || !event.buttons) return;
    view.x -= ((event.clientX - held) * view.width) / svg.getBoundingClientRect().width;
    held = event.clientX;
    inside();
    show();
  });
  svg.addEventListener("pointerup", () => { held = null; });
  // Eight boxes fit a wide page; the first view is of the chosen layer.
  const fit = () => {
    const shown = Math.min(size[0], Math.max(420, svg.getBoundingClientRect().width || 900));
    view.width = shown;
    view.height = size[1];
    const chosen = boxes.find((/** @type {any} */ box) => box.layer === app.state.layer);
    if (chosen) view.x = chosen.x - shown / 2;
    inside();
    svg.setAttribute("height", String(size[1]));
    show();
  };
  app.on("network", "toggle", fit);
  addEventListener("resize", fit);

  return () => {
    const last = boxes.findLastIndex((/** @type {any} */ box) => box.layer !== null && box.layer <= app.state.layer);
    svg.querySelectorAll("[data-to]").forEach((/** @type {SVGElement} */ line) => line.classList.toggle("lit", Number(line.dataset.to) <= last));
    svg.querySelectorAll(".box").forEach((/** @type {SVGElement} */ box, /** @type {number} */ k) => {
      box.classList.toggle("lit", k <= last);
      box.classList.toggle("chosen", boxes[k].layer === app.state.layer);
      if (boxes[k].layer !== null) box.setAttribute("aria-pressed", String(boxes[k].layer === app.state.layer));
    });
  };
}

/** @param {any} app @param {any} box */
function drawn(app, box) {
  const able = box.layer !== null;
  const facts = `${box.said}: ${box.label}${box.then ? `, ${box.then}` : ""}; ${box.shape}; ${box.parameters} parameters, ${box.macs} MACs`;
  const tell = () => app.says("box-said", able ? `${facts}.` : app.words("not held", facts));
  const choose = () => {
    tell();
    if (able) app.byId("box-said").append(` ${app.toLayer(box.layer)}`);
  };
  const below = box.y + box.height;
  const words = box.label.split(", ")[0];
  const gap = words.length > LINE ? words.lastIndexOf(" ", LINE) : -1;
  const lines = gap < 0 ? [words] : [words.slice(0, gap), words.slice(gap + 1)];
  return made("g", {
    class: `box${able ? " able" : ""}`, tabindex: 0, role: "button", "aria-label": facts, "aria-disabled": !able,
    on: { click: choose, pointerenter: tell, focus: tell, keydown: (/** @type {KeyboardEvent} */ event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(); } } },
  }, [
    made("title", { text: facts }),
    made("rect", { x: box.x, y: box.y, width: box.width, height: box.height, rx: 8 }),
    ...lines.map((text, k) => made("text", { x: box.x + box.width / 2, y: box.y + box.height / 2 + 4 + 14 * (k - (lines.length - 1) / 2), "text-anchor": "middle", class: "inside", text })),
    made("text", { x: box.x + box.width / 2, y: below + 15, "text-anchor": "middle", class: "small", text: box.shape }),
    made("text", { x: box.x + box.width / 2, y: below + 29, "text-anchor": "middle", class: "small", text: box.name.length > 17 ? `\u2026${box.name.slice(-16)}` : box.name }),
  ]);
}
