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
    app.on(id, "change", () => {
      const value = app.byId(id).value;
      if (id === "layer") app.toLayer(Number(value));
      else app.update({ [id]: value });
    });
  }
  for (const id of ["opacity", "clip"]) {
    app.on(id, "input", () => app.update({ [id]: Number(app.byId(id).value) }, false));
    app.on(id, "change", () => app.update({ [id]: Number(app.byId(id).value) }));
  }
  app.on("signed", "change", () => app.update({ signed: app.byId("signed").checked }));
  search(app, "class");
  search(app, "against");
  return () => {
    const { state } = app;
    for (const id of ["layer", "method", "colours", "opacity", "clip"]) app.byId(id).value = String(state[id]);
    app.says("opacity-value", `${Math.round(state.opacity * 100)}%`);
    app.says("clip-value", state.clip === 1 ? "the largest value" : `the ${(state.clip * 100).toFixed(1)}th percentile`);
    app.byId("signed").checked = state.signed || state.against !== null;
    app.byId("signed").disabled = state.against !== null;
    const both = app.byId("signed").checked && state.channel === null;
    app.byId("colours").disabled = both;
    app.byId("colours-why").hidden = !both;
    app.byId("signed-why").hidden = state.against === null;
    app.says("class-now", app.data.names[state.class]);
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
    // Those that have a map here come first, then those with the words as they are, the likeliest
    // first; Enter takes the first.
    const entire = (/** @type {number} */ k) => Number(` ${app.data.names[k].toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ")} `.includes(` ${words} `));
    const shares = app.data.probabilities.values;
    const held = (/** @type {number} */ k) => Number(rowOf(app.layer(), k) >= 0);
    at.sort((one, other) => held(other) - held(one) || entire(other) - entire(one) || shares[other] - shares[one]);
    list.replaceChildren(
      ...at.slice(0, FOUND).map((k) => {
        const choose = () => {
          app.update(id === "class" ? { class: k, channel: null } : { class: app.best, against: k === app.best ? null : k, channel: null });
          field.value = "";
          show();
        };
        return made("li", {}, [made("button", { text: app.data.names[k] + (held(k) ? "" : " (no map at this layer)"), on: { click: choose } })]);
      }),
    );
    app.says(`${id}-count`, !words ? "" : at.length === 0 ? app.words("no class", field.value.trim())
      : `${at.length} found${at.length > FOUND ? `, ${FOUND} shown` : ""}`);
  };
  field.addEventListener("input", show);
  field.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    list.querySelector("button")?.click();
  });
}
