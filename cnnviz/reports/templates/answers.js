"use strict";
(() => {
  // Wrong answers are filtered here; without this script all of them are shown.
  document.querySelectorAll(".filters").forEach((form) => {
    const figures = [...form.nextElementSibling.children];
    const counted = (names) => {
      const counts = new Map();
      names.forEach((name) => counts.set(name, (counts.get(name) || 0) + 1));
      return [...counts].sort((one, other) => other[1] - one[1] || one[0].localeCompare(other[0]));
    };
    const pairOf = ({ dataset }) => `${dataset.truth} → ${dataset.answer}`;
    const fill = (select, names) => counted(names).forEach(([name, count]) =>
      select.add(new Option(`${name} (${count})`, name)));
    const { pair, class: about, sure, name } = form.elements;
    fill(pair, figures.map(pairOf));
    fill(about, figures.flatMap(({ dataset }) => [dataset.truth, dataset.answer]));
    const shown = form.querySelector("output");
    const apply = () => {
      const wanted = name.value.trim().toLowerCase();
      let count = 0;
      figures.forEach((figure) => {
        const { dataset } = figure;
        const kept = (!pair.value || pairOf(figure) === pair.value)
          && (!about.value || dataset.truth === about.value || dataset.answer === about.value)
          && Number(dataset.sure) >= Number(sure.value)
          && dataset.name.toLowerCase().includes(wanted);
        figure.hidden = !kept;
        count += kept;
      });
      shown.textContent = `${count} of ${figures.length} shown`;
    };
    form.addEventListener("input", apply);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(apply));
    form.hidden = false;
    apply();
  });
})();
