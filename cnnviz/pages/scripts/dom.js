// Small helpers for elements; text never becomes markup.

/**
 * Return the element with an id, which the page has.
 * @param {string} id
 * @returns {any}
 */
export function byId(id) {
  return document.getElementById(id);
}

/**
 * Make an element; a button is one that submits nothing.
 * @param {string} tag
 * @param {Record<string, any>} [settings] attributes; "text" is its text, "on" its listeners
 * @param {(Node|string)[]} [inside]
 * @returns {any}
 */
export function made(tag, settings = {}, inside = []) {
  const space = ["svg", "rect", "path", "g", "text", "line", "circle", "title", "image"].includes(tag);
  const found = space ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(settings)) {
    if (name === "text") found.textContent = String(value);
    else if (name === "on") for (const [event, act] of Object.entries(value)) found.addEventListener(event, /** @type {any} */ (act));
    else if (name.startsWith("aria-")) found.setAttribute(name, String(value));
    else if (value === true) found.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) found.setAttribute(name, String(value));
  }
  if (tag === "button") found.setAttribute("type", tag);
  found.append(...inside);
  return found;
}

/** @type {WeakMap<Element, Map<any, any>>} */
const HELD = new WeakMap();

/**
 * Let a list hold one element for each key, in this order. What is there stays the element that it
 * is: one that is made anew, or moved, while it is pressed loses the click.
 * @param {Element} list
 * @param {any[]} keys
 * @param {(key: any) => any} make an element with a method `show` that brings it up to date
 */
export function keyed(list, keys, make) {
  const held = HELD.get(list) ?? new Map();
  HELD.set(list, held);
  for (const [key, one] of held) {
    if (keys.includes(key)) continue;
    one.remove();
    held.delete(key);
  }
  keys.forEach((key, k) => {
    if (!held.has(key)) held.set(key, make(key));
    const one = held.get(key);
    if (list.children[k] !== one) list.insertBefore(one, list.children[k] ?? null);
    one.show();
  });
}

/**
 * Let an element say something; nothing is touched where it says so already.
 * @param {Element} element
 * @param {string} text
 */
export function says(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Write a number with three digits that count, and all of those before its point: who multiplies
 * them again comes to the products beside them.
 * @param {number} value
 */
export function written(value) {
  const size = Math.abs(value);
  const whole = size < 100 ? value.toPrecision(3) : value.toFixed(0);
  const text = size < 1e-3 || size >= 1e5 ? value.toExponential(1).replace("e+", "e") : whole;
  return value ? text.replaceAll("-", "\u2212") : "0";
}

/**
 * Write a number to so many places behind the point.
 * @param {number} value
 * @param {number} places
 */
export function placed(value, places) {
  const text = value.toFixed(places);
  return Number(text) < 0 ? text.replace("-", "\u2212") : text.replace("-", "");
}

/**
 * Write numbers that stand below each other to one place: the third figure of the largest.
 * @param {number[]} values
 * @returns {string[]}
 */
export function inColumn(values) {
  const places = 2 - Math.floor(Math.log10(Math.max(...values.map(Math.abs))));
  return values.map((one) => (places < 0 || places > 6 ? written(one) : placed(one, places)));
}

/**
 * Write two numbers and how far they are apart to one place, so that the one can be worked out from
 * the others: the third figure of the difference, or the second behind the point.
 * @param {number} one
 * @param {number} other
 * @returns {string[]}
 */
export function apart(one, other) {
  const away = Math.abs(one - other);
  const places = Math.min(4, Math.max(2, 2 - Math.floor(Math.log10(away))));
  return [one, other, away].map((value) => placed(value, places));
}

/**
 * Write a share of one as a percentage; never 100% for less than all.
 * @param {number} value
 */
export function percent(value) {
  if (value >= 0.9995 && value < 1) return "> 99.9%";
  if (value > 0 && value < 0.0005) return "< 0.1%";
  return `${(value * 100).toFixed(1)}%`.replace("-", "\u2212");
}
