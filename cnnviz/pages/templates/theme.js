"use strict";
// Light or dark: that of the system, until the reader chooses.
(() => {
  const root = document.documentElement;
  // Some browsers forbid storage for pages from the disk.
  const storage = { get: () => { try { return localStorage.getItem("cnnviz-theme"); } catch { return null; } },
                    set: (/** @type {string} */ value) => { try { localStorage.setItem("cnnviz-theme", value); } catch { /* not kept */ } } };
  // Before the first paint where the script comes first, so that nothing flashes.
  const chosen = storage.get();
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  const begin = () => {
    const button = document.getElementById("theme");
    if (!button) return;
    button.hidden = false;
    button.addEventListener("click", () => {
      const now = root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
      root.dataset.theme = now === "dark" ? "light" : "dark";
      storage.set(root.dataset.theme);
    });
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
