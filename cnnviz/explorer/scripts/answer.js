// The answer as a list in which a click asks for another class, or why it is not that one.

import { largest } from "./arithmetic.js";
import { keyed, made, percent, says } from "../../pages/scripts/dom.js";

const LISTED = 5;

/**
 * @param {any} app
 * @returns {() => void}
 */
export function answer(app) {
  const list = app.byId("answers");
  list.replaceChildren();
  app.on("restore", "click", () => app.update({ scales: new Map() }));
  return () => {
    const known = app.probabilities();
    app.shares = known ?? app.data.probabilities.values;
    const first = largest(app.shares, LISTED).filter((index) => app.shares[index] >= 0);
    const extra = [app.state.class, app.state.against].filter((one) => one !== null && !first.includes(one));
    app.best = first[0];
    keyed(list, [...new Set([...first, ...extra])], (index) => classLine(app, index));
    const said = `${app.data.names[app.best]}, ${percent(app.shares[app.best])}`;
    app.says("verdict", known ? said : `not computed; without muting: ${said}`);
    app.byId("changed").hidden = !app.state.scales.size;
    if (app.state.scales.size) app.says("changed-said", changed(app, known));
  };
}

/** @param {any} app @param {Float32Array|null} known */
function changed(app, known) {
  if (!known) return app.words("no answer");
  const named = [...app.state.scales].map(([c, by]) => (by === 0 ? `without channel ${c}` : `channel ${c} times ${by}`)).join(", ");
  return known.some((one) => one < 0) ? app.words("some answers", named) : named;
}

/** @param {any} app @param {number} index */
function classLine(app, index) {
  const name = app.data.names[index];
  const share = made("span", { class: "share" });
  const was = made("span", { class: "was" });
  const bar = made("svg", { class: "bar", viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" });
  const fill = made("rect", { class: "fill", height: 4 });
  bar.append(made("rect", { class: "track", width: 100, height: 4 }), fill);
  const choose = made("button", {
    class: "class", title: `Show where the network finds ${name}`,
    on: { click: () => app.update({ class: index, against: null, channel: null }) },
  }, [made("span", { class: "name", text: name }), made("span", { class: "shares" }, [was, share]), bar]);
  const why = made("button", {
    class: "quiet why", "aria-label": `Why not ${name}?`, text: "why not?",
    on: { click: () => app.update({ class: app.best, against: index, channel: null }) },
  });
  const row = made("li", {}, [choose, why]);
  row.show = () => {
    const now = app.shares[index];
    const before = app.data.probabilities.values[index];
    says(share, now < 0 ? "not computed" : percent(now));
    share.title = now < 0 ? app.words("no share") : "";
    says(was, now >= 0 && percent(now) !== percent(before) ? `was ${percent(before)} ` : "");
    bar.style.visibility = now < 0 ? "hidden" : "";
    fill.setAttribute("width", String(Math.max(0.4, now * 100)));
    choose.setAttribute("aria-pressed", String(index === app.state.class));
    why.setAttribute("aria-pressed", String(index === app.state.against));
    why.style.visibility = index === app.best ? "hidden" : "";
  };
  return row;
}
