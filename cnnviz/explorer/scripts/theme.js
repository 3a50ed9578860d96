// Light or dark: that of the system, until the reader chooses.

import { byId } from "./dom.js";

/** Begin to follow the choice; some browsers forbid storage for pages from the disk. */
export function theme() {
  const root = document.documentElement;
  const kept = { get: () => { try { return localStorage.getItem("cnnviz-theme"); } catch { return null; } },
                 set: (/** @type {string} */ value) => { try { localStorage.setItem("cnnviz-theme", value); } catch { /* not kept */ } } };
  const chosen = kept.get();
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  const button = byId("theme");
  button.hidden = false;
  button.addEventListener("click", () => {
    const now = root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
    kept.set(root.dataset.theme);
  });
}
