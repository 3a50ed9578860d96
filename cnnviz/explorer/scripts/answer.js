// The answer as a list in which a click asks for another class.

import { largest } from "./arithmetic.js";
import { made, percent } from "../../pages/scripts/dom.js";

const LISTED = 5;

/**
 * @param {any} app
 * @returns {() => void}
 */
export function answer(app) {
  const list = app.byId("answers");
  return () => {
    const known = app.probabilities();
    const shares = known ?? app.data.probabilities.values;
    const first = largest(shares, LISTED).filter((index) => shares[index] >= 0);
    const extra = [app.state.class, app.state.against].filter((one) => one !== null && !first.includes(one));
    list.replaceChildren(
      ...[...first, ...extra].map((index) =>
        made("li", {}, [
          made("button", {
            type: "button",
            class: "class",
            "aria-pressed": index === app.state.class,
            title: `Show where the network finds ${app.data.names[index]}`,
            on: { click: () => app.update({ class: index, against: null, channel: null }) },
          }, [
            made("span", { class: "name", text: app.data.names[index] }),
            made("span", { class: "share", text: shares[index] < 0 ? "not computed" : percent(shares[index]) }),
            made("span", { class: "bar", style: null }, shares[index] < 0 ? [] : [bar(shares[index])]),
          ]),
        ]),
      ),
    );
    const said = `${app.data.names[first[0]]}, ${percent(shares[first[0]])}`;
    app.byId("verdict").textContent = known ? said : `not computed; without muting: ${said}`;
    app.byId("changed").hidden = !app.state.scales.size;
    app.byId("changed").textContent = !known ? "The answer with these channels muted or scaled was not computed; the bars are those without muting."
      : shares.some((/** @type {number} */ one) => one < 0) ? `without channel ${[...app.state.scales.keys()].join(", ")}; of the other classes, those that were computed`
        : "with channels muted or scaled";
  };
}

/** @param {number} share */
function bar(share) {
  const svg = made("svg", { viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" });
  svg.append(made("rect", { class: "track", width: 100, height: 4, rx: 2 }), made("rect", { class: "fill", width: Math.max(0.4, share * 100), height: 4, rx: 2 }));
  return svg;
}
