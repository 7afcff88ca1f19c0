/* Caption explorer: find pictures by what two stages of a captioner say of them, and see why.
 *
 * `gegExplorer.open(element, folder)` puts it into an element. What is shown is a view, and a view
 * is the part of the address behind #: a link to it, a reload or "back" shows the same again.
 */
"use strict";
window.gegExplorer = (() => {
  const { element, count, fill, thumb, marked, rank, gapBar, facts, kindName } = gegView;
  const DEFAULTS = { of: "", model: "", seed: "", from: "", to: "", words: "", only: "", kind: "", truth: "",
    rank: "", average: "", minimum: "", sort: "", picture: "" };
  const PAGE = 24;
  const CHOICES = {
    only: [["", "all pictures"], ["better", "rank got better"], ["found", "found first only by the second"],
      ["worse", "rank got worse"], ["lost", "found first only by the first"],
      ["false", "second states a false fact"], ["changed", "captions differ"]],
    kind: [["", "does not matter"], ["any", "of any kind"],
      ...["thing", "colour", "number", "size", "activity", "relation", "setting", "mood"].map((kind) => [kind, kindName(kind)])],
    truth: [["", "true or false"], ["true", "true"], ["false", "false"]],
    sort: [["", "number of the picture"], ["places", "rank: most improved"], ["worse", "rank: most worsened"],
      ["average", "GEG-Avg: most gained"], ["minimum", "GEG-Min: most gained"]],
  };
  const LABELS = { of: "Runs of profile", model: "Captioner", seed: "Seed", from: "From", to: "to",
    sort: "Sorted by", words: "Words in the captions", only: "Show", kind: "Adds a fact", truth: "which is",
    rank: "Rank better by at least", average: "GEG-Avg higher by at least", minimum: "GEG-Min higher by at least" };
  let holder, base, data, part, controls, places; // places: where parts of the page go
  let view = { ...DEFAULTS }, rows = [], found = [], shown = PAGE;

  // ---- the view, and what it means ---------------------------------------------------------------

  const among = (list, key, value, otherwise) => list.find((one) => one[key] === value) || otherwise || list[0];
  const setOf = () => among(data.sets, "profile", view.of);
  const modelOf = () => among(setOf().models, "id", view.model);
  const runsOf = () => modelOf().runs.filter((run) => String(run.seed) === view.seed);
  const place = (run) => modelOf().runs.indexOf(run);

  /* What an address leaves open or gets wrong becomes what there is. */
  function settle() {
    view.of = setOf().profile;
    view.model = modelOf().id;
    view.seed = String(among(modelOf().runs, "seed", Number(view.seed)).seed);
    const runs = runsOf(), named = (name, otherwise) => among(runs, "name", name, otherwise);
    view.from = named(view.from, named("scst")).name;
    view.to = named(view.to, named("scst_geg", runs[runs.length - 1])).name;
  }

  /* Load what the view needs, and show it; an address is shown even if it names a picture left out. */
  async function show(restored = false) {
    settle();
    const name = modelOf().part, wanted = JSON.stringify([view.of, view.model, view.seed, view.from, view.to]);
    const loaded = await gegData.load(name);
    if (wanted !== JSON.stringify([view.of, view.model, view.seed, view.from, view.to])) return; // overtaken
    part = loaded;
    const [from, to] = [view.from, view.to].map((stage) => place(among(runsOf(), "name", stage)));
    rows = gegData.compared(part, from, to, data.pictures.holds);
    found = gegData.chosen(rows, view);
    shown = PAGE;
    const kept = (restored ? rows : found).some((row) => String(row.row + 1) === view.picture);
    if (!kept) view.picture = found.length ? String(found[0].row + 1) : "";
    draw();
  }

  /* What a reader does: the view changes, and so does the address; `step`: "back" leads back. */
  function change(fields, step = false) {
    Object.assign(view, fields);
    if (step) draw();
    const after = step ? Promise.resolve() : show();
    return after.then(() => gegData.remember(view, step)).catch(failed);
  }

  function restore() {
    view = location.hash ? gegData.read(location.hash, DEFAULTS) : { ...DEFAULTS, only: "changed" };
    return show(true).catch(failed);
  }

  // ---- controls --------------------------------------------------------------------------------

  function control(name) {
    const number = ["rank", "average", "minimum"].includes(name), text = name === "words" || number;
    const made = element(text ? "input" : "select", text ? { type: number ? "number" : "search" } : {});
    if (number) Object.assign(made, { min: 0, step: name === "rank" ? 1 : 0.01, placeholder: "any" });
    made.addEventListener(text ? "input" : "change", () => change({ [name]: made.value.trim() }));
    return made;
  }

  function build() {
    controls = Object.fromEntries(Object.keys(LABELS).map((name) => [name, control(name)]));
    const labels = Object.entries(controls).map(([name, made]) => {
      return element("label", { className: `geg-field geg-field-${name}` }, LABELS[name], made);
    });
    for (const [name, options] of Object.entries(CHOICES)) fill(controls[name], options, "");
    const names = ["moved", "said", "one", "list", "more", "note"];
    places = Object.fromEntries(names.map((name) => [name, element("div", { className: `geg-${name}` })]));
    places.said.setAttribute("role", "status");
    places.link = element("a", { textContent: "link to this view" });
    const clear = element("button", { type: "button", textContent: "clear filters", onclick: () => {
      const { of, model, seed, from, to } = view;
      change({ ...DEFAULTS, of, model, seed, from, to });
    } });
    const below = element("div", { className: "geg-status" }, places.said, clear, places.link);
    holder.replaceChildren(element("div", { className: "geg-explorer" },
      element("form", { className: "geg-fields", onsubmit: () => false }, ...labels),
      places.moved, below, places.one, places.list, places.more, places.note));
    holder.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by || event.altKey || event.ctrlKey || event.metaKey || /INPUT|SELECT/.test(event.target.tagName)) return;
      event.preventDefault();
      step(by);
    });
    window.addEventListener("hashchange", restore);
    window.addEventListener("popstate", restore);
  }

  function step(by) {
    const now = found.findIndex((row) => String(row.row + 1) === view.picture);
    const next = found[Math.max(0, Math.min(found.length - 1, now + by))];
    if (next) change({ picture: String(next.row + 1) }, true);
  }

  function drawControls() {
    fill(controls.of, data.sets.map((set) => [set.profile, set.profile]), view.of);
    fill(controls.model, setOf().models.map((model) => [model.id, model.name]), view.model);
    const seeds = [...new Set(modelOf().runs.map((run) => run.seed))];
    fill(controls.seed, seeds.map((seed) => [String(seed), String(seed)]), view.seed);
    for (const end of ["from", "to"]) fill(controls[end], runsOf().map((run) => [run.name, run.label]), view[end]);
    for (const name of ["only", "kind", "truth", "sort"]) controls[name].value = view[name];
    for (const name of ["words", "rank", "average", "minimum"]) {
      if (controls[name] !== document.activeElement) controls[name].value = view[name];
    }
    const ranked = rows.some((row) => !Number.isNaN(row.places));
    for (const name of ["rank", "average", "minimum"]) controls[name].disabled = !ranked;
    for (const name of ["kind", "truth"]) controls[name].parentElement.hidden = !part.facts;
    return ranked;
  }

  // ---- the page --------------------------------------------------------------------------------

  /* What has the focus keeps it, though it is drawn anew. */
  function draw() {
    const focused = document.activeElement?.dataset.key;
    redraw();
    if (focused) (holder.querySelector(`[data-key="${focused}"]`) || holder.querySelector('[data-key="step1"]'))?.focus({ preventScroll: true });
  }

  function redraw() {
    const ranked = drawControls(), [from, to] = ["from", "to"].map((end) => among(runsOf(), "name", view[end]));
    const moved = Object.entries(to.metrics).filter(([name]) => name in from.metrics).map(([name, value]) => {
      const digits = name.startsWith("GEG") ? 4 : 1;
      const [old, now] = [from.metrics[name], value].map((x) => x.toFixed(digits).replace("-", "\u2212"));
      return element("span", {}, element("b", { textContent: name }), ` ${old} \u2192 ${now}`);
    });
    places.moved.replaceChildren(...moved);
    places.said.textContent = `${count(found.length)} of ${count(rows.length)} pictures`
      + (view.picture ? `; shown: picture ${view.picture}` : "") + (ranked ? "" : "; ranks and gaps of single captions are not stored with these runs");
    places.link.href = gegData.written(view);
    const row = rows.find((one) => String(one.row + 1) === view.picture);
    places.one.replaceChildren(...(row ? [one(row, from, to)] : ["No picture: ask for less."]));
    drawList();
    const left = data.leftOut.length ? ` Left out, to keep this page small: ${data.leftOut.join(", ")}.` : "";
    places.note.textContent = setOf().source + left;
  }

  const choose = (row) => change({ picture: String(row + 1) }, true)
    .then(() => { places.one.scrollIntoView({ block: "nearest" }); });

  function drawList() {
    const items = found.slice(0, shown).map(({ row, before, after }) => {
      const ranks = after.rank === undefined ? [] : [`rank ${count(before.rank)} \u2192 `, count(after.rank)];
      const text = element("span", {}, ...marked(before.caption, after.caption, "new"),
        element("span", { className: "geg-ranks" }, ...ranks));
      const pick = element("button", { type: "button", "data-key": `pick${row}`, onclick: () => choose(row) },
        thumb(data.pictures, base, row, 64), text);
      if (String(row + 1) === view.picture) pick.setAttribute("aria-current", "true");
      return element("li", {}, pick);
    });
    places.list.replaceChildren(element("ol", { className: "geg-items" }, ...items));
    const more = element("button", { type: "button", textContent: `show ${Math.min(PAGE, found.length - shown)} more`,
      onclick: () => { shown += PAGE; drawList(); } });
    places.more.replaceChildren(...(found.length > shown ? [more] : []));
  }

  /* One picture: both captions, what came and went, every stage, and the pictures most like it. */
  function one(row, from, to) {
    const { before, after } = row, at = row.row, button = (text, by) => element("button",
      { type: "button", textContent: text, "data-key": `step${by}`, onclick: () => step(by) });
    const caption = (label, ...parts) => [element("dt", { textContent: label }), element("dd", {}, ...parts)];
    const written = (data.pictures.references[at] || []).flatMap((text, n) => caption(`annotator ${n + 1}`, text));
    const said = element("dl", { className: "geg-captions" }, ...written,
      ...caption(from.label, ...marked(before.caption, after.caption, "old"), rank(before.rank)),
      ...caption(to.label, ...marked(before.caption, after.caption, "new"), rank(after.rank)));
    const changes = [["adds", row.added], ["drops", row.dropped]].filter(([, all]) => all.length)
      .flatMap(([what, all]) => [element("p", { className: "geg-what", textContent: `${to.label} ${what}` }), facts(all)]);
    return element("section", { "aria-label": `picture ${at + 1}` },
      element("div", { className: "geg-pick" }, button("previous", -1),
        element("b", { textContent: `picture ${at + 1}` }), button("next", 1)),
      element("div", { className: "geg-two" }, thumb(data.pictures, base, at, 160), element("div", {}, said, ...changes)),
      stages(at), ...neighbours(at));
  }

  /* A row a stage of the captioner: caption, what of it is false, rank and gaps. */
  function stages(at) {
    const all = runsOf().map((run) => [run, gegData.saying(part, place(run), at, data.pictures.holds)])
      .filter(([, said]) => said);
    const most = Math.max(0.05, ...all.flatMap(([, said]) => [said.average, said.minimum]).map((x) => Math.abs(x || 0)));
    const head = ["stage", "caption", "rank", "GEG-Avg", "GEG-Min"].map((name) => element("th", { scope: "col", textContent: name }));
    const body = all.map(([run, said]) => {
      const wrong = said.facts.filter((fact) => !fact.true).map((fact) => fact.words).join(", ");
      const text = element("td", {}, said.caption);
      if (wrong) text.append(element("span", { className: "geg-wrong", textContent: `not true: ${wrong}` }));
      const line = element("tr", {}, element("th", { scope: "row", textContent: run.label }), text,
        element("td", {}, rank(said.rank)),
        element("td", { "data-name": "GEG-Avg" }, gapBar("GEG-Avg", said.average, most)),
        element("td", { "data-name": "GEG-Min" }, gapBar("GEG-Min", said.minimum, most)));
      if ([view.from, view.to].includes(run.name)) line.className = "geg-compared";
      return line;
    });
    return element("table", { className: "geg-stages" }, element("thead", {}, element("tr", {}, ...head)),
      element("tbody", {}, ...body));
  }

  function neighbours(at) {
    const near = data.pictures.neighbours[at] || [];
    const items = near.map((other) => {
      const row = rows.find((found) => found.row === other);
      return element("li", {}, element("button", { type: "button", "data-key": `near${other}`, onclick: () => choose(other) },
        thumb(data.pictures, base, other, 96), element("span", { textContent: row ? row.after.caption : "" })));
    });
    const title = element("p", { className: "geg-what", textContent: "Most like it, and what is said of them" });
    return near.length ? [title, element("ul", { className: "geg-near" }, ...items)] : [];
  }

  function failed(error) {
    const old = typeof DecompressionStream === "undefined";
    holder.textContent = old ? "This browser cannot unpack the captions: it needs one of 2023 or later."
      : `The captions of the runs cannot be shown (${error.message}): they are written when the book is built, `
        + "by `make book`, from finished runs.";
  }

  function open(target, folder) {
    [holder, base] = [target, folder];
    holder.textContent = "loading";
    gegData.open(base).then((opened) => {
      if (!opened.sets.length) throw new Error("there are none with captions");
      data = opened;
      build();
      return restore();
    }).catch(failed);
  }

  return { open };
})();
