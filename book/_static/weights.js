/* Move beta and K: a slider over stored runs that differ in one setting; the point moves on the plane
 * of CIDEr and R@1, and captions change under it where they are stored.
 *
 * `gegWeights.open(element, folder)`; the address behind # holds what is shown, as in the explorer.
 */
"use strict";
window.gegWeights = (() => {
  const { element, count, fill, thumb, marked, rank } = gegView;
  const DEFAULTS = { series: "", value: "", pictures: "0" };
  const PICTURES = 6, WIDTH = 440, HEIGHT = 300, LEFT = 52, RIGHT = 16, TOP = 14, BOTTOM = 44;
  const AXES = { test: ["CIDEr", "R@1 (%)"], validation: ["CIDEr-D \u00d7 100", "R@1 (%)"] };
  let holder, base, data, view = { ...DEFAULTS }, places, slider, choice, turn = 0;

  const id = (series) => [series.of, series.where, series.profile, series.model, series.objective].join(" ");
  const seriesOf = () => data.series.find((one) => id(one) === view.series) || data.series[0];
  const stopOf = (series) => {
    const at = series.stops.findIndex((stop) => String(stop.value) === view.value);
    const own = series.stops.findIndex((stop) => stop.run === series.objective); // the profile's
    return [at, own, 0].find((place) => place >= 0);
  };
  const titled = ({ of, where, profile, name, label }) => `${of}: ${label} of ${name}, profile ${profile}`
    + (where === "test" ? "" : " (validation)");

  function change(fields) {
    Object.assign(view, fields);
    gegData.remember(view);
    draw();
  }

  // ---- the plane -----------------------------------------------------------------------------

  function svg(tag, attributes, text = "") {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.textContent = text;
    return made;
  }

  /* A scale from values to pixels, with about five round ticks. */
  function scale(values, from, to) {
    const low = Math.min(...values), high = Math.max(...values), margin = 0.12 * (high - low) || 1;
    const raw = (high - low + 2 * margin) / 5, power = 10 ** Math.floor(Math.log10(raw));
    const each = power * [1, 2, 5, 10].find((factor) => factor * power >= raw);
    const first = Math.ceil((low - margin) / each), last = Math.floor((high + margin) / each);
    const ticks = Array.from({ length: last - first + 1 }, (_, n) => Number(((first + n) * each).toPrecision(12)));
    return { ticks, at: (value) => from + (to - from) * (value - low + margin) / (high - low + 2 * margin) };
  }

  function plane(series, now) {
    const points = [...series.stops, ...series.beside];
    const x = scale(points.map((point) => point.CIDEr), LEFT, WIDTH - RIGHT);
    const y = scale(points.map((point) => point["R@1"]), HEIGHT - BOTTOM, TOP);
    const said = points.map((p) => `${p.label || `${series.of} ${p.value}`}: CIDEr ${p.CIDEr.toFixed(1)}, R@1 ${p["R@1"].toFixed(1)}`);
    const made = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "geg-plane", role: "img", "aria-label": said.join("; ") });
    const add = (tag, attributes, text) => made.append(svg(tag, attributes, text));
    for (const tick of x.ticks) {
      add("line", { x1: x.at(tick), x2: x.at(tick), y1: TOP, y2: HEIGHT - BOTTOM, class: "grid" });
      add("text", { x: x.at(tick), y: HEIGHT - BOTTOM + 17, "text-anchor": "middle" }, String(tick));
    }
    for (const tick of y.ticks) {
      add("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y.at(tick), y2: y.at(tick), class: "grid" });
      add("text", { x: LEFT - 7, y: y.at(tick) + 4, "text-anchor": "end" }, String(tick));
    }
    const [across, up] = AXES[series.where], middle = (TOP + HEIGHT - BOTTOM) / 2;
    add("text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 8, "text-anchor": "middle" }, across);
    add("text", { x: 13, y: middle, "text-anchor": "middle", transform: `rotate(-90 13 ${middle})` }, up);
    const place = (point) => ({ cx: x.at(point.CIDEr), cy: y.at(point["R@1"]) });
    add("polyline", { points: series.stops.map(place).map(({ cx, cy }) => `${cx},${cy}`).join(" "), class: "path" });
    const named = (point, text, kind) => {
      const { cx, cy } = place(point), end = cx > WIDTH / 2;
      add("text", { x: cx + (end ? -10 : 10), y: cy - 8, "text-anchor": end ? "end" : "start", class: kind }, text);
    };
    for (const point of series.beside) {
      const { cx, cy } = place(point);
      add("rect", { x: cx - 4.5, y: cy - 4.5, width: 9, height: 9, class: "beside" });
    }
    for (const point of series.stops) add("circle", { ...place(point), r: 4.5, class: "stop" });
    add("circle", { ...place(series.stops[now]), r: 9, class: "now" });
    named(series.stops[now], `${series.of} ${series.stops[now].value}`, "now");
    return made;
  }

  // ---- captions under it -------------------------------------------------------------------------

  /* Pictures of which the stops say most different things come first. */
  function varied(part, runs) {
    const kinds = part.runs[runs[0]].said.map((_, row) => new Set(runs.map((run) => part.runs[run].said[row])).size);
    return kinds.map((_, row) => row).sort((a, b) => kinds[b] - kinds[a] || a - b);
  }

  async function captions(series, now, mine) {
    const model = data.sets.find((set) => set.profile === series.profile)?.models.find((one) => one.id === series.model);
    if (series.where !== "test" || !model) {
      places.said.replaceChildren(element("p", { className: "geg-note", textContent: "A sweep keeps what validation said and no captions." }));
      return;
    }
    const part = await gegData.load(model.part);
    if (mine !== turn) return; // the slider has moved on
    const seed = series.seeds[0], find = (name) => model.runs.findIndex((run) => run.name === name && run.seed === seed);
    const start = series.beside.find((point) => point.run === "scst") || series.stops[0];
    const order = varied(part, series.stops.map((stop) => find(stop.run)));
    const first = Number(view.pictures) || 0, holds = data.pictures.holds;
    const items = order.slice(first, first + PICTURES).map((row) => {
      const before = gegData.saying(part, find(start.run), row, holds);
      const after = gegData.saying(part, find(series.stops[now].run), row, holds);
      const text = element("span", {}, ...(after ? marked(before ? before.caption : "", after.caption, "new") : []), after ? rank(after.rank) : "");
      const label = series.of === "beta" ? series.label : series.stops[now].run;
      const address = gegData.written({ of: series.profile, model: series.model, seed, from: start.run, to: series.stops[now].run, picture: row + 1 });
      const link = element("a", { href: `explorer.html${address}`, title: `${label}: this picture in the explorer` }, thumb(data.pictures, base, row, 80));
      return element("li", {}, link, text);
    });
    const what = `Captions of seed ${seed}; words that ${start.label || `${series.of} ${start.value}`} does not say are marked. `
      + "First the pictures of which the runs say most different things.";
    const others = element("button", { type: "button", textContent: "other pictures",
      onclick: () => change({ pictures: String(first + PICTURES < order.length ? first + PICTURES : 0) }) });
    places.said.replaceChildren(element("p", { className: "geg-note", textContent: what }), element("ul", { className: "geg-items" }, ...items), others);
  }

  // ---- the page --------------------------------------------------------------------------------

  /* What to run where there is nothing to move. */
  function missing() {
    return ["beta", "K"].filter((of) => !data.series.some((one) => one.of === of && one.where === "test")).map((of) => {
      return element("div", { className: "geg-missing" },
        element("p", {}, `Of ${of} one value only is stored with these captions. This trains another, and the next `, element("code", { textContent: "make book" }), " shows it:"),
        element("pre", {}, element("code", { textContent: data.commands[of] })));
    });
  }

  function draw() {
    const series = seriesOf(), now = stopOf(series), stop = series.stops[now], text = `${series.of} ${stop.value}`;
    choice.value = id(series);
    slider.max = series.stops.length - 1;
    slider.value = now;
    slider.setAttribute("aria-valuetext", text);
    places.stops.replaceChildren(...series.stops.map((one) => element("span", { textContent: String(one.value) })));
    const seeds = series.seeds.length > 1 ? `mean over ${series.seeds.length} seeds` : `seed ${series.seeds[0]}`;
    const where = series.where === "test" ? "test pictures" : "validation pictures";
    places.now.textContent = `${text}: CIDEr ${stop.CIDEr.toFixed(1)}, R@1 ${stop["R@1"].toFixed(1)} (${where}, ${seeds})`;
    const squares = series.beside.map((point) => `${point.label} (CIDEr ${point.CIDEr.toFixed(1)}, R@1 ${point["R@1"].toFixed(1)})`);
    places.beside.textContent = squares.length ? `Squares: ${squares.join(", ")}.` : "";
    places.plane.replaceChildren(plane(series, now));
    captions(series, now, ++turn).catch(failed);
  }

  function build() {
    const names = ["now", "plane", "beside", "stops", "said"];
    places = Object.fromEntries(names.map((name) => [name, element("div", { className: `geg-${name}` })]));
    places.now.setAttribute("role", "status");
    choice = element("select", { onchange: () => change({ series: choice.value, value: "", pictures: "0" }) });
    fill(choice, data.series.map((one) => [id(one), titled(one)]), id(seriesOf()));
    slider = element("input", { type: "range", min: 0, step: 1, "aria-label": "stored values",
      oninput: () => change({ value: String(seriesOf().stops[slider.value].value) }) });
    holder.replaceChildren(element("div", { className: "geg-explorer" },
      element("label", { className: "geg-field" }, "Runs that differ in", choice),
      element("div", { className: "geg-slide" }, slider, places.stops), places.now, places.plane, places.beside, places.said, ...missing()));
    window.addEventListener("hashchange", () => { view = gegData.read(location.hash, DEFAULTS); draw(); });
    draw();
  }

  function failed(error) {
    holder.textContent = `The stored runs cannot be shown (${error.message}): they are written when the book is built, by \`make book\`.`;
  }

  function open(target, folder) {
    [holder, base] = [target, folder];
    holder.textContent = "loading";
    gegData.open(base).then((opened) => {
      data = opened;
      view = gegData.read(location.hash, DEFAULTS);
      if (data.series.length) build();
      else holder.replaceChildren(...missing());
    }).catch(failed);
  }

  return { open };
})();
