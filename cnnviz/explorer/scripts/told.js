// What the picture shows now, in words, and what can be done with it at once.

import { rowOf } from "./arithmetic.js";
import { says } from "../../pages/scripts/dom.js";
import { muteButton } from "./mute.js";
import { shownMap } from "./shown.js";

/**
 * @param {any} app
 * @returns {() => void}
 */
export function told(app) {
  const [back, more, off] = ["shown-back", "shown-more", "map-off"].map(app.byId);
  const mute = muteButton(app, () => app.state.channel ?? 0, (muted) => `${muted ? "Unmute" : "Mute"} channel ${app.state.channel}`);
  back.after(mute);
  back.addEventListener("click", () => app.update({ channel: null, against: null }));
  more.addEventListener("click", () => app.goTo("channel"));
  let before = app.first.opacity;
  off.addEventListener("click", () => {
    const { opacity } = app.state;
    if (opacity > 0) before = opacity;
    app.update({ opacity: opacity > 0 ? 0 : before });
  });
  return () => {
    const { state, data } = app;
    const foreign = app.linked?.foreign(app).join("”, “");
    app.says("told", (foreign ? app.words("foreign", foreign, data.names[state.class]) : "") + words(app));
    back.hidden = state.channel === null && state.against === null;
    says(back, `Back to where it found ${data.names[state.class]}`);
    mute.hidden = state.channel === null;
    more.hidden = state.channel === null;
    if (state.channel !== null) mute.show();
    says(off, state.opacity > 0 ? "Photo alone" : "Show the map");
    off.setAttribute("aria-pressed", String(state.opacity === 0));
  };
}

/** @param {any} app */
function words(app) {
  const { state, data } = app;
  const layer = app.layer();
  const name = data.names[state.class];
  const held = state.channel === null && !layer.head ? layer.methods[state.method] : null;
  const steps = held ? `, values rounded to ${held.levels} levels` : "";
  if (state.opacity === 0) return app.words("photo alone", state.channel === null ? name : `channel ${state.channel}`);
  const what = state.channel !== null ? app.words(state.scales.get(state.channel) === 0 ? "responded" : "responds", state.channel)
    : `${data.methodNames[state.method]}: ${state.against !== null ? app.words("for one", name, data.names[state.against]) : app.words(state.signed ? "signed" : "found", name)}`;
  if (shownMap(app)) return `${what}, at ${layer.said} (${layer.maps.shape[1]} x ${layer.maps.shape[2]} places${steps}).`;
  const none = rowOf(layer, state.class) < 0 ? state.class : state.against;
  return app.words("no map", data.names[none], layer.said, layer.classes.length);
}
