// The picture that is shown, as a file.

import { made } from "../../pages/scripts/dom.js";

/** @param {any} app */
export function saving(app) {
  app.byId("save-png").addEventListener("click", () => {
    app.byId("picture").toBlob((/** @type {Blob} */ blob) => handed(blob, `${nameOf(app)}.png`), "image/png");
  });
  app.byId("save-svg").addEventListener("click", () => {
    const text = new XMLSerializer().serializeToString(vectors(app));
    handed(new Blob([text], { type: "image/svg+xml" }), `${nameOf(app)}.svg`);
  });
  app.byId("copy-address").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(location.href);
      app.byId("copied").textContent = "The address is copied.";
    } catch {
      app.byId("copied").textContent = "The address is in the address bar.";
    }
  });
}

/** @param {any} app */
function nameOf(app) {
  const said = `${app.data.photo.replace(/\.[^.]*$/, "")}-${app.data.names[app.state.class]}`;
  return said.replace(/[^\p{L}\p{N}-]+/gu, "-");
}

/**
 * Return the picture with the marks on it as lines and letters, with all that they look like.
 * @param {any} app
 * @returns {SVGElement}
 */
function vectors(app) {
  const canvas = app.byId("picture");
  const [height, width] = app.data.input;
  const marks = app.byId("marks");
  const copy = marks.cloneNode(true);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", String(canvas.width));
  copy.setAttribute("height", String(canvas.height));
  [...copy.children].forEach((/** @type {SVGElement} */ one, /** @type {number} */ k) => {
    const look = getComputedStyle(marks.children[k]);
    for (const name of ["fill", "stroke", "stroke-width", "stroke-dasharray", "font-family", "font-weight", "paint-order"]) one.setAttribute(name, look.getPropertyValue(name));
    one.setAttribute("vector-effect", "non-scaling-stroke");
  });
  copy.prepend(made("image", { href: canvas.toDataURL("image/png"), width, height, preserveAspectRatio: "none" }));
  return copy;
}

/** @param {Blob} blob @param {string} name */
function handed(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
