// Two photos or two networks side by side: what is chosen for one is chosen for the other.

import { addressOf } from "./state.js";

/** @typedef {any} App */

const SAME = ["method", "signed", "opacity", "clip", "colours", "at", "by"];

/**
 * Let each follow the others.
 * @param {App[]} apps
 */
export function link(apps) {
  const others = (/** @type {App} */ app) => apps.filter((one) => one !== app);
  const [lead, ...rest] = apps;
  const linked = {
    // Of the others an address has what they do not follow the first in.
    address: () => apps.map((to) => addressOf(to.state, followed(lead, to), to.suffix)).filter(Boolean).join("&"),
    read: () => rest.forEach((to) => to.read(followed(lead, to))),
    follow: (/** @type {App} */ from, /** @type {any} */ patch) => others(from).forEach((to) => {
      Object.assign(to.state, translated(from, to, patch));
      to.draw();
    }),
    foreign: (/** @type {App} */ to) => apps.flatMap((from) => foreign(from, to, differing(from))),
    point: (/** @type {App} */ from, /** @type {[number, number]|null} */ at) => others(from).forEach((to) => to.aim(at)),
  };
  for (const app of apps) app.linked = linked;
  linked.read();
}

/**
 * Return the state in which a subject is where all was chosen for another.
 * @param {App} from
 * @param {App} to
 * @returns {any}
 */
function followed(from, to) {
  return from === to ? to.first : { ...to.first, ...translated(from, { ...to, state: to.first }, differing(from)) };
}

/**
 * Return what of a state differs from its beginning.
 * @param {App} app
 * @returns {any}
 */
function differing(app) {
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
  /** @type {any} */
  const found = {};
  for (const name of SAME) if (name in patch) found[name] = patch[name];
  for (const name of ["class", "against"]) if (name in patch) found[name] = indexOf(from, to, patch[name]);
  // Half of a question would be another question: a class that is not known here changes nothing.
  if (foreign(from, to, patch)[0]) Object.assign(found, { class: to.state.class, against: null });
  if ("layer" in patch) {
    found.layer = Math.max(0, to.data.layers.length - (from.data.layers.length - patch.layer));
    Object.assign(found, { channel: null, scales: new Map(), conv: null });
  }
  if (from.data.sha === to.data.sha) for (const name of ["channel", "scales", "conv", "step"]) if (name in patch) found[name] = patch[name];
  return found;
}

/**
 * Return the names of classes of a change that another subject does not have.
 * @param {App} from
 * @param {App} to
 * @param {any} patch
 * @returns {string[]}
 */
function foreign(from, to, patch) {
  return [patch.class, patch.against].filter((k) => (indexOf(from, to, k) ?? 0) < 0).map((k) => from.data.names[k]);
}

/**
 * Return which class of another subject has the name of one, -1 where none has; null is null.
 *
 * Two classes may share a name: ImageNet has a dog "Cardigan" and a garment "cardigan". The one of
 * the same number is meant, or else the one that is spelt alike.
 * @param {App} from
 * @param {App} to
 * @param {number|null} k
 */
function indexOf(from, to, k) {
  if (k == null) return null;
  const { names } = to.data;
  const name = from.data.names[k];
  const alike = (/** @type {number} */ j) => names[j]?.toLowerCase() === name.toLowerCase();
  return [k, names.indexOf(name), ...names.keys()].find(alike) ?? -1;
}
