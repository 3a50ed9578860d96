// Two photos or two networks side by side: what is chosen for one is chosen for the other.

/** @typedef {any} App */

const SAME = ["method", "signed", "opacity", "clip", "colours", "at", "by"];

/**
 * Let each follow the others.
 * @param {App[]} apps
 */
export function link(apps) {
  const linked = {
    lead: apps[0],
    follow: (/** @type {App} */ from, /** @type {any} */ patch) => {
      for (const to of apps) {
        if (to === from) continue;
        Object.assign(to.state, translated(from, to, patch));
        to.draw();
      }
    },
    point: (/** @type {App} */ from, /** @type {[number, number]|null} */ at) => {
      for (const to of apps) {
        if (to === from) continue;
        to.aim(at);
      }
    },
  };
  for (const app of apps) app.linked = linked;
  linked.follow(apps[0], differing(apps[0]));
}

/**
 * Return what of a state differs from its beginning.
 * @param {App} app
 * @returns {any}
 */
export function differing(app) {
  const found = Object.entries(app.state).filter(([name, value]) => {
    if (value instanceof Map) return value.size > 0;
    return Array.isArray(value) ? value.length > 0 : value !== app.first[name];
  });
  return Object.fromEntries(found);
}

/**
 * Return a change as it is for another subject: classes by their names, layers from the last one.
 * @param {App} from
 * @param {App} to
 * @param {any} patch
 * @returns {any}
 */
function translated(from, to, patch) {
  const same = from.data.sha === to.data.sha;
  /** @type {any} */
  const found = {};
  for (const name of SAME) if (name in patch) found[name] = patch[name];
  for (const name of ["class", "against"]) {
    if (!(name in patch)) continue;
    const index = patch[name] === null ? null : named(to.data.names, from.data.names[patch[name]]);
    if (index !== -1) found[name] = index;
  }
  if ("layer" in patch) {
    found.layer = Math.max(0, to.data.layers.length - (from.data.layers.length - patch.layer));
    Object.assign(found, { channel: null, scales: new Map(), conv: null });
  }
  if (same) for (const name of ["channel", "scales", "conv", "step"]) if (name in patch) found[name] = patch[name];
  return found;
}

/** @param {string[]} names @param {string} name */
function named(names, name) {
  return names.findIndex((one) => one.toLowerCase() === name.toLowerCase());
}
