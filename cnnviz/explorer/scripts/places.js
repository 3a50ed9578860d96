// The places that are looked at: what each sees, and which channels respond there.

import { addedAt, fieldAt, largest, valueAt } from "./arithmetic.js";
import { shareWithout } from "./answers.js";
import { inColumn, keyed, made, percent, says, written } from "../../pages/scripts/dom.js";
import { muteButton } from "./mute.js";
import { shownWeights, signedMap } from "./shown.js";

const RANKED = 6;

/**
 * @param {any} app
 * @returns {() => void}
 */
export function places(app) {
  const list = app.byId("places");
  /** @type {any} */
  let view = null;
  app.on("by", "change", () => app.update({ by: app.byId("by").value }));
  app.on("forget", "click", () => app.forget());
  return () => {
    const { at, by } = app.state;
    app.byId("by").value = by;
    const passing = app.passing();
    const keys = at.map((/** @type {any} */ _, /** @type {number} */ k) => k).reverse();
    const any = at.length > 0 || passing !== null;
    for (const [id, shown] of /** @type {[string, boolean][]} */ ([["no-place", !any], ["places-asked", any], ["hint", !any]])) app.byId(id).hidden = !shown;
    app.byId("here").classList.toggle("blank", !any);
    // A move of the pointer changes none of what all places have in common.
    if (view?.drawn !== app.drawn) view = viewed(app);
    app.says("adds-said", any ? app.words(view.layer.head ? "adds exact" : "adds guessed", view.asked) + app.words("adds") : "");
    keyed(list, passing === null ? keys : [-1, ...keys], (k) => card(app, k, () => view));
    app.says("place-said", any && document.activeElement === app.byId("picture") ? list.firstElementChild.said : "");
  };
}

/**
 * Return what all places have in common.
 * @param {any} app
 */
function viewed(app) {
  const layer = app.layer();
  const weights = shownWeights(app);
  const map = signedMap(app);
  const { names } = app.data;
  const against = app.state.against === null ? "" : ` rather than ${names[app.state.against]}`;
  const name = names[app.state.class];
  return {
    layer, weights, map, name, asked: `${name}${against}`,
    most: map === null ? 0 : map.reduce((one, other) => Math.max(one, Math.abs(other)), 0),
    byEvidence: app.state.by === "evidence" && weights !== null,
    drawn: app.drawn,
  };
}

/**
 * Make the card of a place; -1 is the one that is pointed at, and not kept.
 * @param {any} app
 * @param {number} k
 * @param {() => any} viewed
 */
function card(app, k, viewed) {
  const kept = k >= 0;
  const title = kept ? `Place ${String.fromCharCode(65 + k)}` : "Pointed at";
  const dot = made("span", { class: "dot" });
  const where = made("p", { class: "aside" });
  const body = made("tbody");
  const heads = ["channel", "", "", ""].map((text) => made("th", { scope: "col", text }));
  const last = kept
    ? made("button", { class: "quiet", "aria-label": `Forget ${title}`, text: "\u00d7", on: { click: () => app.update({ at: app.state.at.filter((/** @type {any} */ _, /** @type {number} */ j) => j !== k) }) } })
    : made("span", { class: "aside", text: "a click keeps it" });
  const found = made("article", { class: "card" }, [made("h3", {}, [dot, title, last]), where, made("table", {}, [made("thead", {}, [made("tr", {}, heads)]), body])]);
  let said = "";
  found.show = () => {
    const view = viewed();
    const at = kept ? app.state.at[k] : app.pointed;
    if (said === `${view.drawn} ${at}`) return;
    said = `${view.drawn} ${at}`;
    const mark = kept ? k : app.state.at.length;
    dot.setAttribute("class", `dot mark-${mark % 4}`);
    const { layer, weights } = view;
    const [channels, height, width] = layer.maps.shape;
    const { row, column } = app.cellAt(at);
    const place = row * width + column;
    const acts = new Float32Array(channels);
    for (let c = 0; c < channels; c += 1) acts[c] = valueAt(layer, c, place, height * width);
    const adds = weights === null ? null : addedAt(layer, weights, place, app.state.scales);
    // What is muted keeps its row.
    const ranked = largest(view.byEvidence && weights !== null ? addedAt(layer, weights, place, new Map()) : acts, RANKED, view.byEvidence ? Math.abs : undefined);
    const map = view.map === null ? "" : app.words("map here", view.asked, written(view.map[place]), percent(view.map[place] / (view.most || 1)));
    says(where, `${seenFrom(app, layer, row, column)}${map}`);
    says(heads[1], `activation here (rank of ${channels})`);
    says(heads[2], `adds here to ${view.asked}`);
    says(heads[3], `${view.name} without it`);
    const [act, adding] = [acts, adds].map((all) => (all === null ? [] : inColumn(ranked.map((c) => all[c]))));
    found.values = { acts, adds, written: new Map(ranked.map((c, at) => [c, [act[at], adding[at]]])) };
    keyed(body, ranked, (c) => channelLine(app, c, () => found.values, () => (kept ? app.state.at[k] : app.pointed)));
    found.said = `Row ${row}, column ${column}: ${view.byEvidence ? "most evidence" : "strongest response"}: ${ranked.slice(0, 3).map((c) => `channel ${c}`).join(", ")}.`;
  };
  return found;
}

/** @param {any} app @param {number} c @param {() => {acts: Float32Array, adds: Float32Array|null, written: Map<number, string[]>}} values @param {() => any} of which place */
function channelLine(app, c, values, of) {
  const how = made("button", { class: "link", title: "How is it computed?", on: { click: () => app.works(c, of()) } });
  const [acts, adds] = [made("td", {}, [how, made("span")]), made("td")];
  const open = made("button", { class: "link", title: `Show where channel ${c} responds`, text: String(c), on: { click: () => app.update({ channel: app.state.channel === c ? null : c }) } });
  const mute = muteButton(app, () => c, (muted) => {
    if (muted) return "unmute";
    const share = shareWithout(app, c);
    return share === null ? "not computed" : percent(share);
  });
  mute.classList.add("without");
  const row = made("tr", {}, [made("th", { scope: "row" }, [open]), acts, adds, made("td", {}, [mute])]);
  row.show = () => {
    const { acts: all, adds: each, written: texts } = values();
    const [act, adding] = texts.get(c) ?? [];
    let rank = 1;
    for (let k = 0; k < all.length; k += 1) if (all[k] > all[c]) rank += 1;
    how.hidden = app.madeBy(c) === null;
    says(how, act);
    says(acts.lastChild, `${how.hidden ? act : ""} (${rank})`);
    says(adds, each === null ? "\u2013" : adding);
    adds.setAttribute("class", each !== null && each[c] < 0 ? "against" : "for");
    row.setAttribute("class", (app.state.channel === c ? "chosen" : "") + (app.state.scales.get(c) === 0 ? " muted" : ""));
    open.setAttribute("aria-pressed", String(app.state.channel === c));
    mute.show();
  };
  return row;
}

/** @param {any} app @param {any} layer @param {number} row @param {number} column */
function seenFrom(app, layer, row, column) {
  const said = `Row ${row}, column ${column} of ${layer.said}`;
  if (!layer.field) return `${said}. What of the photo it sees is not known.`;
  const [height, width] = app.data.input;
  const [top, left, bottom, right] = fieldAt(layer.field, row, column);
  const all = bottom - top >= height && right - left >= width;
  const gates = layer.field.gates ? ", besides gates over the whole map" : "";
  return `${said}: it sees ${all ? "the whole photo" : `${bottom - top} x ${right - left} pixels of the ${height} x ${width}`}${gates}.`;
}
