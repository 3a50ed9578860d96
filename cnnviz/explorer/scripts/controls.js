// Which class, layer and method, and how the map is drawn.

import { rowOf } from "./arithmetic.js";
import { made } from "../../pages/scripts/dom.js";

const FOUND = 8;

/**
 * @param {any} app
 * @returns {() => void}
 */
export function controls(app) {
  choices(app, "layer", app.data.layers.map((/** @type {any} */ one) => one.name));
  choices(app, "method", app.data.methodNames);
  choices(app, "colours", Object.fromEntries(Object.keys(app.data.colours).map((name) => [name, name])));
  for (const id of ["layer", "method", "colours"]) {
    app.byId(id).addEventListener("change", () => {
      const value = app.byId(id).value;
      app.update(id === "layer" ? { layer: Number(value), channel: null, scales: new Map() } : { [id]: value });
    });
  }
  for (const id of ["opacity", "clip"]) {
    app.byId(id).addEventListener("input", () => app.update({ [id]: Number(app.byId(id).value) }, false));
    app.byId(id).addEventListener("change", () => app.update({ [id]: Number(app.byId(id).value) }));
  }
  app.byId("signed").addEventListener("change", () => app.update({ signed: app.byId("signed").checked }));
  search(app, "class");
  search(app, "against");
  return () => {
    const { state } = app;
    for (const id of ["layer", "method", "colours", "opacity", "clip"]) app.byId(id).value = String(state[id]);
    app.byId("opacity-value").textContent = `${Math.round(state.opacity * 100)}%`;
    app.byId("clip-value").textContent = state.clip === 1 ? "the largest value" : `the ${(state.clip * 100).toFixed(1)}th percentile`;
    app.byId("signed").checked = state.signed || state.against !== null;
    app.byId("signed").disabled = state.against !== null;
    app.byId("class-now").textContent = app.data.names[state.class];
  };
}

/** @param {any} app @param {string} id @param {string[]|Record<string, string>} names */
function choices(app, id, names) {
  app.byId(id).replaceChildren(...Object.entries(names).map(([value, text]) => made("option", { value, text })));
}

/** @param {any} app @param {"class"|"against"} id */
function search(app, id) {
  const field = app.byId(`${id}-search`);
  const list = app.byId(`${id}-found`);
  const show = () => {
    const words = field.value.trim().toLowerCase();
    const at = [...app.data.names.keys()].filter((k) => words && app.data.names[k].toLowerCase().includes(words));
    // Those that have a map here come first, the likeliest first; Enter takes the first.
    const shares = app.data.probabilities.values;
    const held = (/** @type {number} */ k) => Number(rowOf(app.layer(), k) >= 0);
    at.sort((one, other) => held(other) - held(one) || shares[other] - shares[one]);
    list.replaceChildren(
      ...at.slice(0, FOUND).map((k) => {
        const choose = () => {
          app.update(id === "class" ? { class: k, channel: null } : { class: app.best, against: k === app.best ? null : k, channel: null });
          field.value = "";
          show();
        };
        return made("li", {}, [made("button", { type: "button", text: app.data.names[k] + (held(k) ? "" : " (no map at this layer)"), on: { click: choose } })]);
      }),
    );
    app.byId(`${id}-count`).textContent = !words ? "" : at.length === 0 ? `None of the ${app.data.names.length} classes of this network is called so.`
      : `${at.length} found${at.length > FOUND ? `, ${FOUND} shown` : ""}`;
  };
  field.addEventListener("input", show);
  field.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    list.querySelector("button")?.click();
  });
}
