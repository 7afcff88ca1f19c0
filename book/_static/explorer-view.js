/* Pieces that the caption explorer and the slider show: pictures, word differences, bars, facts.
 *
 * Captions are put in as text, never as markup.
 */
"use strict";
window.gegView = (() => {
  /* Properties of the element; names with a dash are attributes. */
  function element(tag, properties = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name.includes("-") || name === "role") made.setAttribute(name, value);
      else made[name] = value;
    }
    made.append(...children);
    return made;
  }

  const signed = (value, digits = 3) => (value < 0 ? "\u2212" : "+") + Math.abs(value).toFixed(digits);
  const count = (value) => value.toLocaleString("en");

  /* A choice: [value, text] each. */
  function fill(select, options, value) {
    select.replaceChildren(...options.map(([name, textContent]) => element("option", { value: name, textContent })));
    select.value = value;
  }

  /* A picture of a sheet; nothing where there are none, as of photographs. */
  function thumb(pictures, base, row, side) {
    const { sheets, perSheet, columns, references } = pictures;
    const what = `test picture ${row + 1}${references[row] ? ": " + references[row][0] : ""}`;
    if (!sheets.length) return element("span", { className: "geg-nopicture", textContent: `picture ${row + 1}` });
    const place = row % perSheet, made = element("span", { className: "geg-thumb", role: "img", "aria-label": what });
    Object.assign(made.style, {
      width: `${side}px`, height: `${side}px`,
      backgroundImage: `url("${base}${sheets[Math.floor(row / perSheet)]}")`,
      backgroundSize: `${columns * side}px auto`,
      backgroundPosition: `-${(place % columns) * side}px -${Math.floor(place / columns) * side}px`,
    });
    return made;
  }

  /* A caption with what is not in the other one marked; `which`: "new", of this one, or "old". */
  function marked(before, after, which) {
    const parts = gegData.diff(before, after).filter((part) => part.in === "both" || part.in === which);
    const tag = which === "new" ? "ins" : "del";
    return parts.flatMap((part) => [part.in === "both" ? part.word : element(tag, { textContent: part.word }), " "]);
  }

  function rank(value) {
    if (value === undefined) return "";
    const kind = value === 1 ? "geg-found" : "geg-lost";
    return element("span", { className: kind, textContent: `rank ${count(value)}` });
  }

  /* A gap to the right of its middle if the caption fits its own picture better, else to the left. */
  function gapBar(name, value, most) {
    if (value === undefined) return element("span", { textContent: "\u2013" });
    const fill = element("span", { className: value < 0 ? "geg-minus" : "geg-plus" });
    const share = 50 * Math.min(1, Math.abs(value) / most);
    Object.assign(fill.style, { width: `${share}%`, left: `${value < 0 ? 50 - share : 50}%` });
    const track = element("span", { className: "geg-gap", "aria-hidden": "true" }, fill);
    const figure = element("span", { className: "geg-value", textContent: signed(value) });
    return element("span", { className: "geg-gapbar", title: name }, track, figure);
  }

  const KINDS = { thing: "object", setting: "place", mood: "time or weather" };
  const kindName = (kind) => KINDS[kind] || kind;

  /* Facts as a list, each with its kind and whether it is true. */
  function facts(all) {
    return element("ul", { className: "geg-facts" }, ...all.map((fact) => {
      const sign = element("span", { textContent: fact.true ? " \u2713 true" : " \u2717 false" });
      const kind = element("span", { className: "geg-kind", textContent: `${kindName(fact.kind)} ` });
      return element("li", { className: fact.true ? "geg-true" : "geg-false" }, kind, fact.words, sign);
    }));
  }

  return { element, signed, count, fill, thumb, marked, rank, gapBar, facts, kindName };
})();
