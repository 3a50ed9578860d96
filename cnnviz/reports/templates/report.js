"use strict";
(() => {
  // Pictures enlarge in a dialog; without this script each is a link to its file.
  const viewer = document.getElementById("viewer");
  const enlarged = document.getElementById("enlarged");
  const caption = document.getElementById("enlarged-caption");
  const every = [...document.querySelectorAll("a.enlarge")];
  // Those that are filtered out are stepped over.
  let links = every;
  let current = 0;
  const show = (index) => {
    current = (index + links.length) % links.length;
    const image = links[current].querySelector("img");
    enlarged.src = image.getAttribute("src");
    enlarged.alt = image.alt;
    // On a phone the letters of a plot are legible only where every pixel is shown.
    viewer.classList.toggle("full", innerWidth < 640);
    const words = links[current].parentElement.querySelector("figcaption");
    caption.textContent = words ? words.textContent : "";
  };
  every.forEach((link) => link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    links = every.filter((other) => !other.closest("[hidden]"));
    show(links.indexOf(link));
    viewer.showModal();
  }));
  viewer.querySelectorAll(".step").forEach((button) =>
    button.addEventListener("click", () => show(current + Number(button.dataset.step))));
  viewer.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") show(current - 1);
    if (event.key === "ArrowRight") show(current + 1);
  });
  viewer.addEventListener("click", (event) => {
    if (event.target === viewer || event.target.localName === "figure") viewer.close();
  });
  // A click shows every pixel, to be scrolled over, or the whole.
  enlarged.addEventListener("click", () => {
    viewer.classList.toggle("full");
    const frame = enlarged.parentElement;
    frame.scrollTo((frame.scrollWidth - frame.clientWidth) / 2, 0);
  });
  viewer.addEventListener("close", () => { enlarged.removeAttribute("src"); links[current].focus({ preventScroll: true }); });

  // The table of contents marks the section that is being read.
  const entries = new Map([...document.querySelectorAll(".contents a")].map((link) => [link.hash.slice(1), link]));
  const marks = [...document.querySelectorAll("section[id], article[id]")].filter((part) => entries.has(part.id));
  const mark = () => {
    let reading = null;
    for (const part of marks) if (part.getBoundingClientRect().top < innerHeight * 0.35) reading = part.id;
    entries.forEach((link, id) => id === reading ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current"));
  };
  let waiting = false;
  addEventListener("scroll", () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; mark(); });
  }, { passive: true });
  mark();
  document.querySelector(".contents-fold").addEventListener("click", (event) => {
    if (event.target.localName === "a") event.currentTarget.open = false;
  });

  // Paper cannot be scrolled or unfolded.
  addEventListener("beforeprint", () => {
    document.querySelectorAll("details.folded").forEach((fold) => { fold.open = true; });
  });
})();
