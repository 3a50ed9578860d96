// Buttons that mute a channel, and unmute it.

import { unknownWithout } from "./answers.js";
import { made, says } from "../../pages/scripts/dom.js";

/**
 * Return the scales with a channel muted, or unmuted where it is muted.
 *
 * Where answers are known of single channels alone the one takes the place of the other.
 * @param {any} app
 * @param {number} channel
 * @returns {Map<number, number>}
 */
export function toggled(app, channel) {
  const before = app.state.scales;
  const scales = new Map(app.layer().head ? before : []);
  if (before.get(channel) === 0) scales.delete(channel);
  else scales.set(channel, 0);
  return scales;
}

/**
 * Return a button that mutes a channel; it is off, and says why, where nothing is known without it.
 * @param {any} app
 * @param {() => number} of which channel
 * @param {(muted: boolean) => string} words
 * @returns {any}
 */
export function muteButton(app, of, words) {
  const button = made("button", { on: { click: () => app.update({ scales: toggled(app, of()) }) } });
  button.show = () => {
    const muted = app.state.scales.get(of()) === 0;
    const reason = muted ? "" : unknownWithout(app.layer(), of());
    says(button, words(muted));
    button.disabled = reason !== "";
    button.setAttribute("aria-pressed", String(muted));
    button.title = reason || (muted ? `Unmute channel ${of()}` : `Mute channel ${of()}: the answer without it`);
    return reason;
  };
  return button;
}
