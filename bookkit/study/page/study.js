/* The participants' page of a user study. No server, no network: `studyPage.start(data)` is called
 * by data.js, answers are kept in this browser and saved as a file. What is drawn (order of trials,
 * places of pictures, sides of captions) follows from the participant's code alone.
 */
"use strict";
window.studyPage = (() => {
  const main = document.getElementById("study");
  let data, state, kept = true, saved = true;

  // ---- chance: the same for the same participant ---------------------------------------------

  /* Numbers in [0, 1): FNV-1a of a text seeds mulberry32. */
  function chance(text) {
    let seed = 2166136261;
    for (const letter of text) seed = Math.imul(seed ^ letter.codePointAt(0), 16777619);
    return () => {
      seed = (seed + 0x6d2b79f5) | 0;
      let mixed = Math.imul(seed ^ (seed >>> 15), seed | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
    };
  }

  function shuffled(items, text) {
    const random = chance(`${state.participant} ${text}`), mixed = [...items];
    for (let last = mixed.length - 1; last > 0; last--) {
      const other = Math.floor(random() * (last + 1));
      [mixed[last], mixed[other]] = [mixed[other], mixed[last]];
    }
    return mixed;
  }

  // ---- what is kept --------------------------------------------------------------------------

  const place = () => `study ${data.study}`;

  function newcomer() {
    const code = [...crypto.getRandomValues(new Uint8Array(6))];
    const participant = code.map((byte) => byte.toString(16).padStart(2, "0")).join("");
    const asked = Number(new URLSearchParams(location.search).get("form") || NaN);
    const random = Math.floor(chance(participant)() * data.forms.length);
    const form = Number.isInteger(asked) && data.forms[asked] ? asked : random;
    return { participant, form, at: 0, retrieval: [], comparison: [] };
  }

  function keep() {
    try {
      localStorage.setItem(place(), JSON.stringify(state));
    } catch {
      kept = false; // private windows and strict settings
    }
  }

  function remembered() {
    try {
      return JSON.parse(localStorage.getItem(place()));
    } catch {
      return null;
    }
  }

  function answers() {
    const { participant, form, retrieval, comparison } = state, { format, version, study } = data;
    return JSON.stringify({ format, version, study, participant, form, retrieval, comparison }, null, 1);
  }

  function save() {
    const address = URL.createObjectURL(new Blob([answers()], { type: "application/json" }));
    const name = `answers-${data.study.slice(0, 8)}-${state.participant}.json`;
    element("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
    saved = true;
  }

  // ---- the page ------------------------------------------------------------------------------

  function element(tag, properties = {}, ...children) {
    const { attributes = {}, ...rest } = properties;
    const made = Object.assign(document.createElement(tag), rest);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }

  const button = (text, onclick, className = "") =>
    element("button", { type: "button", textContent: text, onclick, className });
  const paragraph = (text, className = "") => element("p", { textContent: text, className });
  const source = (picture) => `pictures/${picture}.webp`;

  function show(title, ...children) {
    const heading = element("h1", { textContent: title, tabIndex: -1 });
    const warning = kept ? [] : [paragraph("This browser does not let the page keep your answers. "
      + "Do not close or reload it before you have saved them as a file.", "warning")];
    const some = state.retrieval.length + state.comparison.length > 0 && steps()[state.at];
    const early = element("p", { className: "aside" }, button("Save the answers so far", save));
    main.replaceChildren(...warning, heading, ...children, ...(some ? [early] : []));
    scrollTo(0, 0);
    heading.focus();
  }

  /* All that a participant goes through: [what, trial]; practice trials have no id. */
  function steps() {
    const form = data.forms[state.form];
    const part = (kind) => [[`${kind}Intro`], [kind], ...shuffled(form[kind], kind).map((id) => [kind, id])];
    return [["consent"], ...part("retrieval"), ...part("comparison")];
  }

  function next() {
    state.at += 1;
    keep();
    render();
  }

  const screens = { consent, retrieval, comparison, retrievalIntro, comparisonIntro };

  function render() {
    const step = steps()[state.at];
    if (step) screens[step[0]](step[1]);
    else end();
  }

  function progress(id) {
    const trials = steps().filter((step) => step[1]), at = trials.findIndex((step) => step[1] === id) + 1;
    if (!at) return [paragraph("Practice: this one does not count", "count")];
    const bar = element("progress", { max: trials.length, value: at, attributes: { "aria-label": "progress" } });
    return [bar, paragraph(`${at} of ${trials.length}`, "count")];
  }

  function foot(status, onclick) {
    return element("div", { className: "foot" }, status, button("Next", onclick, "main"));
  }

  const seconds = (start) => Math.round(performance.now() - start) / 1000;

  function record(kind, id, answer) {
    if (id) {
      state[kind].push({ trial: id, ...answer });
      saved = false;
    }
    next();
  }

  // ---- screens -------------------------------------------------------------------------------

  function consent() {
    const form = data.forms[state.form], count = form.retrieval.length + form.comparison.length;
    show("Captions and pictures: a study",
      paragraph(`You will read short captions of pictures and say which fit. There are ${count} questions and two `
        + "to practise. You need to see the pictures; keyboard, mouse or touch will all do."),
      paragraph("Taking part is voluntary. You can stop at any time by closing this page, and nobody gets your "
        + "answers unless you save them as a file and hand it in."),
      paragraph("The file holds your answers, the seconds that each took, and a random code. It does not hold your "
        + "name, address, the time of day or anything about your device. Nothing is sent by this page; while you "
        + "answer, it keeps your answers in this browser, so that you can go on later."),
      paragraph(`Who asks: ${data.contact}`),
      button("I am an adult, have read this, and take part", next, "main"), paragraph(data.credit, "note"));
  }

  function retrievalIntro() {
    show("First part: find the picture",
      paragraph(`You see one caption and many pictures. Choose the ${data.picks} pictures that the caption fits best, `
        + "the best one first: the first you choose is number 1. Choose a picture again to take it back. One of the "
        + "pictures is the one that the caption was made for."),
      paragraph("With a keyboard: arrow keys or Tab move, Enter or the space bar chooses.", "note"),
      button("Practise once", next, "main"));
  }

  function comparisonIntro() {
    show("Second part: compare two captions",
      paragraph("You see one picture and two captions of it. Say which describes it more accurately, and which is "
        + "more informative about it. If there is no difference, say so; the two may even be the same."),
      button("Practise once", next, "main"));
  }

  function retrieval(id) {
    const trial = id ? data.retrieval[id] : data.practice.retrieval;
    const shown = shuffled(trial.pictures, id || "practice"), ranking = [], start = performance.now();
    const status = element("p", { attributes: { role: "status" } });
    const tiles = shown.map((picture) => {
      const image = element("img", { src: source(picture), alt: "", width: 384, height: 384 });
      return element("button", { type: "button", onclick: () => choose(picture) },
        image, element("span", { className: "rank" }));
    });

    function mark() {
      tiles.forEach((tile, number) => {
        const rank = ranking.indexOf(shown[number]) + 1;
        tile.lastChild.textContent = rank || "";
        tile.setAttribute("aria-pressed", rank > 0);
        tile.setAttribute("aria-label", `picture ${number + 1}${rank ? `, your number ${rank}` : ""}`);
      });
      status.textContent = `${ranking.length} of ${data.picks} chosen`;
    }

    function choose(picture) {
      const there = ranking.indexOf(picture);
      if (there >= 0) ranking.splice(there, 1);
      else if (ranking.length < data.picks) ranking.push(picture);
      mark();
    }

    function move(event) {
      const columns = tiles.filter((tile) => tile.offsetTop === tiles[0].offsetTop).length;
      const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
      const to = tiles[tiles.indexOf(document.activeElement) + step];
      if (!to) return;
      event.preventDefault();
      to.focus();
    }

    function finish() {
      const lacking = data.picks - ranking.length;
      if (lacking) status.textContent = `Please choose ${lacking} more`;
      else record("retrieval", id, { shown, ranking, seconds: seconds(start) });
    }

    const label = { role: "group", "aria-label": "pictures" };
    mark();
    show("Which pictures fit this caption?", ...progress(id),
      element("blockquote", { className: "caption", textContent: trial.caption }),
      paragraph(`Choose ${data.picks}, the best first.`, "note"),
      element("div", { className: "grid", onkeydown: move, attributes: label }, ...tiles), foot(status, finish));
  }

  function comparison(id) {
    const trial = id ? data.comparison[id] : data.practice.comparison, start = performance.now();
    const shown = shuffled(Object.keys(trial.captions), id || "practice"), chosen = {};
    const status = element("p", { attributes: { role: "status" } });
    const said = shown.map((name, side) =>
      element("li", {}, element("b", { textContent: `${"AB"[side]}: ` }), trial.captions[name]));

    function question(criterion, text) {
      const options = [[shown[0], "A"], ["same", "no difference"], [shown[1], "B"]].map(([value, label]) => {
        const onchange = () => { chosen[criterion] = value; };
        return element("label", {}, element("input", { type: "radio", name: criterion, value, onchange }), label);
      });
      return element("fieldset", {}, element("legend", { textContent: text }), ...options);
    }

    function finish() {
      const { accuracy, distinctiveness } = chosen;
      if (!accuracy || !distinctiveness) status.textContent = "Please answer both questions";
      else record("comparison", id, { shown, accuracy, distinctiveness, seconds: seconds(start) });
    }

    show("Compare two captions of this picture", ...progress(id),
      element("img", { className: "target", src: source(trial.picture), alt: "the picture that both captions are of",
        width: 384, height: 384 }),
      element("ul", { className: "said" }, ...said),
      question("accuracy", "Which describes the picture more accurately?"),
      question("distinctiveness", "Which is more informative about the picture?"), foot(status, finish));
  }

  function end() {
    const restart = () => { state = newcomer(); keep(); render(); };
    show("Thank you: all is answered",
      paragraph(`Please save your answers as a file and hand it in. Who asks: ${data.contact}`),
      button("Save the answers", save, "main"),
      element("details", {}, element("summary", { textContent: "No file? Copy this text instead" }),
        element("textarea", { readOnly: true, value: answers(), attributes: { "aria-label": "the answers" } })),
      element("p", { className: "aside" }, button("Another person begins here", () => {
        if (saved || confirm("The answers have not been saved as a file since the last one. Discard them?")) restart();
      })));
  }

  function start(given) {
    data = given;
    state = remembered();
    saved = !state;
    if (!state?.participant || !data.forms[state.form]) state = newcomer();
    keep();
    addEventListener("beforeunload", (event) => { if (!kept && !saved) event.preventDefault(); });
    render();
  }

  return { start };
})();
