// The places that are looked at: what each sees, and which channels fire there.

import { addedAt, fieldAt, largest, valueAt } from "./arithmetic.js";
import { made, written } from "../../pages/scripts/dom.js";
import { shownWeights, signedMap } from "./shown.js";

const RANKED = 8;

/**
 * @param {any} app
 * @returns {() => void}
 */
export function places(app) {
  const list = app.byId("places");
  /** @type {Map<string, any>} */
  let held = new Map();
  app.byId("by").addEventListener("change", () => app.draw());
  app.byId("forget").addEventListener("click", () => app.update({ at: [] }));
  return () => {
    const at = app.hovered ? [...app.state.at, app.hovered] : app.state.at;
    app.byId("no-place").hidden = at.length > 0;
    app.byId("forget").hidden = app.state.at.length === 0;
    if (!app.byId("place").open) return;
    // A card that says the same stays the element it is: one made anew while pressed loses the click.
    const { class: asked, against, layer, method, scales } = app.state;
    const view = JSON.stringify([asked, against, layer, method, [...scales], app.byId("by").value]);
    const before = held;
    held = new Map();
    at.forEach((/** @type {[number, number]} */ one, /** @type {number} */ k) => {
      const key = `${view} ${k} ${k < app.state.at.length} ${one}`;
      held.set(key, before.get(key) ?? card(app, one, k));
    });
    const cards = [...held.values()];
    if (cards.length !== list.children.length || cards.some((one, k) => one !== list.children[k])) list.replaceChildren(...cards);
  };
}

/** @param {any} app @param {[number, number]} at @param {number} k */
function card(app, at, k) {
  const kept = k < app.state.at.length;
  const layer = app.layer();
  const [, height, width] = layer.maps.shape;
  const { row, column } = app.cellAt(at);
  const place = row * width + column;
  const weights = shownWeights(app);
  const byEvidence = app.byId("by").value === "evidence" && weights !== null;
  const fires = Float32Array.from({ length: layer.maps.shape[0] }, (_, c) => valueAt(layer, c, place, height * width));
  const adds = weights === null ? null : addedAt(layer, weights, place, app.state.scales);
  const ranked = largest(byEvidence && adds ? adds : fires, RANKED, byEvidence ? Math.abs : undefined);
  const map = signedMap(app);
  return made("article", { class: "card" }, [
    made("h2", {}, [
      made("span", { class: `dot mark-${k % 4}` }),
      kept ? `Place ${String.fromCharCode(65 + k)}` : "Under the pointer",
      ...(kept ? [made("button", { type: "button", class: "quiet", "aria-label": `Forget place ${String.fromCharCode(65 + k)}`, text: "\u00d7", on: { click: () => app.update({ at: app.state.at.filter((/** @type {any} */ _, /** @type {number} */ j) => j !== k) }) } })] : []),
    ]),
    made("p", { class: "aside", text: `${where(layer, row, column)} The map is ${map === null ? "not held" : written(map[place])} here.` }),
    made("table", {}, [
      made("thead", {}, [made("tr", {}, [made("th", { scope: "col", text: "channel" }), made("th", { scope: "col", text: "fires" }), made("th", { scope: "col", text: `adds to ${app.data.names[app.state.class]}${app.state.against === null ? "" : ` rather than ${app.data.names[app.state.against]}`}` })])]),
      made("tbody", {}, ranked.map((c) =>
        made("tr", {}, [
          made("th", { scope: "row" }, [made("button", { type: "button", class: "link", text: String(c), on: { click: () => { app.update({ channel: c }); app.openPanel("channel"); } } })]),
          made("td", { text: written(fires[c]) }),
          made("td", { class: adds && adds[c] < 0 ? "against" : "for", text: adds === null ? "\u2013" : written(adds[c]) }),
        ]))),
    ]),
  ]);
}

/** @param {any} layer @param {number} row @param {number} column */
function where(layer, row, column) {
  const said = `Row ${row}, column ${column} of ${layer.name}.`;
  if (!layer.field) return `${said} What of the photo it sees is not known.`;
  const [top, left, bottom, right] = fieldAt(layer.field, row, column);
  const gates = layer.field.gates ? ", besides gates over the whole map" : "";
  return `${said} It sees ${bottom - top} x ${right - left} pixels of the input${gates}.`;
}
