"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  // The index is a script, for a page on file:// may fetch nothing; it comes when somebody searches.
  let index = null;
  const load = () => {
    if (index) return index;
    index = new Promise((done) => {
      const script = document.createElement("script");
      script.src = root.dataset.root + "assets/search.js";
      script.onload = () => done(window.cnnvizGallery || []);
      script.onerror = () => done([]);
      document.head.append(script);
    });
    return index;
  };
  const MOST = 12;
  const find = (models, words) => {
    const text = words.trim().toLowerCase();
    const hits = [];
    // "conv1:57", "conv1 57" and "57" mean channels.
    const asked = /^(.*?)[\s:]*(\d+)$/.exec(text);
    const rate = (name, part) => {
      const at = name.toLowerCase().indexOf(part);
      return at < 0 ? -1 : (name.length === part.length ? 3 : at === 0 ? 2 : 1);
    };
    for (const model of models) {
      const home = root.dataset.root + "models/" + model.folder + "/";
      for (const [folder, name, channels] of model.layers) {
        const whole = rate(name, text);
        if (whole > 0) hits.push([whole + 1, name, "layer of " + model.name, home + folder + "/index.html"]);
        const channel = asked ? Number(asked[2]) : -1;
        const layer = asked && channel < channels ? rate(name, asked[1].trim()) : -1;
        if (layer > 0) hits.push([layer, name + ":" + channel, "channel, " + model.name, home + folder + "/" + channel + ".html"]);
      }
      for (const [file, name] of model.classes) {
        const score = rate(name, text);
        if (score > 0) hits.push([score + 1.5, name, "class of " + model.name, home + "classes/" + file]);
      }
    }
    return hits.sort((a, b) => b[0] - a[0]);
  };
  const search = () => {
    const field = document.getElementById("search"), box = document.getElementById("found");
    const close = () => { box.hidden = true; box.replaceChildren(); };
    const show = async () => {
      const words = field.value;
      if (!words.trim()) return close();
      const models = await load();
      if (field.value !== words) return;
      const hits = find(models, words);
      box.replaceChildren(...hits.slice(0, MOST).map(([, name, what, href]) => {
        const link = document.createElement("a"), note = document.createElement("span");
        link.href = href;
        note.textContent = what;
        link.append(name, note);
        return link;
      }));
      if (hits.length > MOST || !hits.length) {
        const rest = document.createElement("p");
        rest.textContent = hits.length ? `and ${hits.length - MOST} more` : "Nothing of this name.";
        box.append(rest);
      }
      box.hidden = false;
    };
    field.addEventListener("focus", load);
    field.addEventListener("input", show);
    field.parentElement.addEventListener("keydown", (event) => {
      const links = [...box.querySelectorAll("a")];
      const at = links.indexOf(document.activeElement);
      if (event.key === "Escape") { close(); field.value = ""; field.blur(); document.activeElement.blur(); event.stopPropagation(); }
      else if (event.key === "Enter" && at < 0 && links.length) location.href = links[0].href;
      else if (event.key === "ArrowDown" && links.length) { event.preventDefault(); links[Math.min(at + 1, links.length - 1)].focus(); }
      else if (event.key === "ArrowUp" && at >= 0) { event.preventDefault(); (at ? links[at - 1] : field).focus(); }
    });
    document.addEventListener("click", (event) => { if (!field.parentElement.contains(event.target)) close(); });
  };

  const sort = () => {
    const buttons = [...document.querySelectorAll("[data-sort]")];
    if (!buttons.length) return;
    const list = document.querySelector(".tiles");
    const items = [...list.children];
    const kinds = ["activity", "selectivity", "sparsity"];
    const order = (kind) => {
      const place = kinds.indexOf(kind);
      const value = (item) => Number(item.dataset.v.split(" ")[place]);
      // What is not known is no number, and comes last.
      const rank = (item) => Number.isNaN(value(item)) ? -Infinity : value(item);
      const sorted = place < 0 ? items : [...items].sort((a, b) => rank(b) - rank(a) || 0);
      for (const item of items) {
        const link = item.firstElementChild;
        if (place < 0 || Number.isNaN(value(item)) || value(item) < 0 && kind === "selectivity") delete link.dataset.n;
        else link.dataset.n = value(item).toPrecision(2);
      }
      list.replaceChildren(...sorted);
      buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.sort === (place < 0 ? "index" : kind))));
    };
    // In the address, so that it survives reloading and can be passed on.
    // An order that this page does not offer, such as one of too few images, is that by index.
    const follow = () => {
      const kind = location.hash.replace("#sort=", "");
      order(buttons.some((button) => button.dataset.sort === kind) ? kind : "index");
    };
    buttons.forEach((button) => button.addEventListener("click", () => {
      const kind = button.dataset.sort;
      const top = scrollY;
      location.replace(kind === "index" ? "#" : "#sort=" + kind);
      scrollTo(0, top);
    }));
    addEventListener("hashchange", follow);
    if (location.hash.startsWith("#sort=")) follow();
  };

  // A patch and what it sends back to the pixels, enlarged beside each other: the pointer marks the
  // same place in both.
  const made = (tag, settings, ...inside) => {
    const found = Object.assign(document.createElement(tag), settings);
    found.append(...inside);
    return found;
  };
  const zoom = () => {
    const items = [...document.querySelectorAll(".examples li")];
    if (!items.length) return;
    let at = 0;
    const pair = made("div", { className: "zoomed" }), told = made("p", { className: "value" });
    told.setAttribute("aria-live", "polite");
    const step = (by, text, name) => {
      const button = made("button", { type: "button", className: "step", textContent: text, onclick: () => show(at + by) });
      button.setAttribute("aria-label", name);
      return button;
    };
    const close = made("button", { className: "close", textContent: "\u2715" });
    close.setAttribute("aria-label", "Close");
    const box = made("dialog", { className: "zoom" }, made("form", { method: "dialog" }, close), pair, told, step(-1, "\u2039", "Previous"), step(1, "\u203a", "Next"));
    box.setAttribute("aria-label", "Enlarged patch");
    document.body.append(box);
    const mark = (event) => {
      const place = event.target.closest(".zoomed > span")?.getBoundingClientRect();
      pair.querySelectorAll("i").forEach((cross) => {
        cross.hidden = !place;
        if (!place) return;
        cross.style.left = 100 * (event.clientX - place.left) / place.width + "%";
        cross.style.top = 100 * (event.clientY - place.top) / place.height + "%";
      });
    };
    const show = (next) => {
      at = (next + items.length) % items.length;
      pair.replaceChildren(...[...items[at].querySelectorAll("img")].map((image) =>
        made("span", {}, image.cloneNode(), made("i", { hidden: true }))));
      told.textContent = [...items[at].querySelectorAll(".value, .label")].map((part) => part.textContent).join(" ");
    };
    ["pointermove", "pointerdown"].forEach((name) => pair.addEventListener(name, mark));
    box.addEventListener("click", (event) => { if (event.target === box) box.close(); });
    box.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "ArrowLeft") show(at - 1);
      if (event.key === "ArrowRight") show(at + 1);
    });
    items.forEach((item, place) => {
      const open = () => { show(place); box.showModal(); };
      const button = made("button", { type: "button", className: "enlarge", textContent: "\u2922", onclick: open });
      button.setAttribute("aria-label", "Enlarge " + item.textContent.trim());
      item.querySelectorAll("img").forEach((image) => image.addEventListener("click", open));
      item.append(button);
    });
  };

  const walk = (key) => {
    const links = [...document.querySelectorAll("[data-walk] a")];
    const at = links.indexOf(document.activeElement);
    if (!links.length) return false;
    if (key === "ArrowLeft" || key === "ArrowRight") {
      const next = at < 0 ? 0 : at + (key === "ArrowRight" ? 1 : -1);
      if (links[next]) links[next].focus();
      return true;
    }
    if (at < 0) return false;  // up and down scroll until a link has been chosen
    const here = links[at].getBoundingClientRect();
    const side = key === "ArrowDown" ? 1 : -1;
    let best = null, least = Infinity;
    for (const link of links) {
      const box = link.getBoundingClientRect();
      const down = (box.top - here.top) * side;
      if (down < here.height / 2) continue;
      const far = down * 4 + Math.abs(box.left - here.left);
      if (far < least) { least = far; best = link; }
    }
    if (best) best.focus();
    return true;
  };
  const keys = () => addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.localName === "input") return;
    if (event.key === "/") { event.preventDefault(); document.getElementById("search").focus(); return; }
    if (event.key === "Escape") { const up = document.querySelector("a[rel=up]"); if (up) location.href = up.href; return; }
    if (!event.key.startsWith("Arrow")) return;
    if (walk(event.key)) { event.preventDefault(); return; }
    const rel = event.key === "ArrowLeft" ? "prev" : event.key === "ArrowRight" ? "next" : "";
    const link = rel && document.querySelector(`a[rel=${rel}]`);
    if (link) location.href = link.href;
  });

  document.addEventListener("DOMContentLoaded", () => { search(); sort(); zoom(); keys(); });
})();
