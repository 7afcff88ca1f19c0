/* What the stored runs said: parts that are asked for when they are needed, comparisons, addresses.
 *
 * A part is a script that calls `gegData.take(name, data)` with gzipped JSON: pages work as files,
 * without a server. Written by bookkit/play/explorer.py. Nothing here touches the page.
 */
"use strict";
window.gegData = (() => {
  const parts = new Map(); // name -> {promise, resolve, reject}
  let base = "";

  // ---- parts -------------------------------------------------------------------------------

  async function unzipped(text) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }

  function take(name, text) {
    unzipped(text).then(parts.get(name).resolve, parts.get(name).reject);
  }

  /* The content of a part; it is asked for once. */
  function load(name) {
    if (!parts.has(name)) {
      const part = {};
      part.promise = new Promise((resolve, reject) => Object.assign(part, { resolve, reject }));
      parts.set(name, part);
      const script = document.createElement("script");
      script.src = base + name;
      script.onerror = () => part.reject(new Error(`${name} is not there`));
      document.head.append(script);
    }
    return parts.get(name).promise;
  }

  /* The index and the pictures, of the folder at an address. */
  async function open(address) {
    base = address;
    const [index, pictures] = await Promise.all([load("index.js"), load("pictures.js")]);
    const holds = pictures.holds.map((atoms) => new Set(atoms));
    return { ...index, pictures: { ...pictures, holds } };
  }

  // ---- words -------------------------------------------------------------------------------

  const wordsOf = (text) => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) || [];

  /* Whether every word that is looked for begins a word of the text. */
  function says(text, query) {
    const there = wordsOf(text);
    return wordsOf(query).every((word) => there.some((other) => other.startsWith(word)));
  }

  /* Longest common subsequence: words of both, in order, as {word, in: "both", "old" or "new"}. */
  function diff(before, after) {
    const old = before.split(" ").filter(Boolean), now = after.split(" ").filter(Boolean);
    const rows = Array.from({ length: old.length + 1 }, () => new Uint16Array(now.length + 1));
    for (let i = old.length - 1; i >= 0; i--) {
      for (let j = now.length - 1; j >= 0; j--) {
        rows[i][j] = old[i] === now[j] ? rows[i + 1][j + 1] + 1 : Math.max(rows[i + 1][j], rows[i][j + 1]);
      }
    }
    const found = [];
    let i = 0, j = 0;
    while (i < old.length || j < now.length) {
      if (i < old.length && j < now.length && old[i] === now[j]) {
        found.push({ word: now[j++], in: "both" });
        i++;
      } else if (i < old.length && (j === now.length || rows[i + 1][j] >= rows[i][j + 1])) {
        found.push({ word: old[i++], in: "old" });
      } else {
        found.push({ word: now[j++], in: "new" });
      }
    }
    return found;
  }

  // ---- what a run said of a picture ----------------------------------------------------------

  const at = (list, row) => (list && list[row] !== null ? list[row] : undefined);
  const gap = (list, row) => (at(list, row) === undefined ? undefined : list[row] / 10000);

  /* Caption, rank, both gaps, and facts; a fact is true if any of its atoms holds of the picture. */
  function saying(part, run, row, holds) {
    const said = part.runs[run].said[row];
    if (said < 0) return null;
    const { rank, average, minimum } = part.runs[run], facts = part.facts ? part.facts[said] : [];
    return {
      caption: part.captions[said],
      rank: at(rank, row), average: gap(average, row), minimum: gap(minimum, row),
      facts: facts.map((number) => {
        const [kind, words, meaning, atoms] = part.fact[number];
        return { kind, words, meaning, true: atoms.some((atom) => holds[row].has(atom)) };
      }),
    };
  }

  const without = (facts, others) => {
    const known = new Set(others.map((fact) => fact.meaning));
    return facts.filter((fact) => !known.has(fact.meaning));
  };

  /* A row a picture that both runs have a caption of: what they say, what came, what went. */
  function compared(part, from, to, holds) {
    const rows = [];
    for (let row = 0; row < part.runs[to].said.length; row++) {
      const before = saying(part, from, row, holds), after = saying(part, to, row, holds);
      if (!before || !after) continue;
      rows.push({
        row, before, after,
        places: before.rank - after.rank, // NaN where ranks are not kept
        average: after.average - before.average, minimum: after.minimum - before.minimum,
        added: without(after.facts, before.facts), dropped: without(before.facts, after.facts),
      });
    }
    return rows;
  }

  // ---- which of them ---------------------------------------------------------------------------

  // Maps: a name comes from an address, and may be any.
  const ONLY = new Map([
    ["better", (row) => row.places > 0],
    ["found", (row) => row.before.rank > 1 && row.after.rank === 1],
    ["worse", (row) => row.places < 0],
    ["lost", (row) => row.before.rank === 1 && row.after.rank > 1],
    ["false", (row) => row.after.facts.some((fact) => !fact.true)],
    ["changed", (row) => row.before.caption !== row.after.caption],
  ]);

  const SORTS = new Map([
    ["places", (row) => Math.log(row.after.rank / row.before.rank)], // 10th to 1st: most of the way
    ["worse", (row) => Math.log(row.before.rank / row.after.rank)],
    ["average", (row) => -row.average],
    ["minimum", (row) => -row.minimum],
  ]);

  /* Whether a number field asks for at least this much; an empty one asks for nothing. */
  const least = (wanted, value) => wanted === "" || Number.isNaN(Number(wanted)) || value >= Number(wanted);

  /* Whether the second caption adds a fact of a kind ("any": of any), true or false, if asked for. */
  function adds(row, kind, truth) {
    if (!kind && !truth) return true;
    return row.added.some((fact) => (!kind || kind === "any" || fact.kind === kind)
      && (!truth || String(fact.true) === truth));
  }

  /* Rows that a view asks for, in its order. */
  function chosen(rows, view) {
    const only = ONLY.get(view.only) || (() => true), order = SORTS.get(view.sort);
    const found = rows.filter((row) => (says(row.after.caption, view.words) || says(row.before.caption, view.words))
      && only(row) && adds(row, view.kind, view.truth)
      && least(view.rank, row.places) && least(view.average, row.average) && least(view.minimum, row.minimum));
    return order ? found.sort((a, b) => order(a) - order(b) || a.row - b.row) : found;
  }

  // ---- addresses ---------------------------------------------------------------------------------

  /* A view as the part of an address behind #, and back; fields that are empty are left out. */
  function written(view) {
    const kept = Object.entries(view).filter(([, value]) => value !== "");
    return "#" + new URLSearchParams(kept.map(([name, value]) => [name, String(value)])).toString();
  }

  function read(hash, defaults) {
    const given = new URLSearchParams(hash.replace(/^#/, ""));
    return Object.fromEntries(Object.entries(defaults).map(([name, value]) => [name, given.get(name) ?? value]));
  }

  /* Put a view into the address; `step`: "back" leads back. Some browsers refuse many in a row. */
  function remember(view, step = false) {
    try {
      history[step ? "pushState" : "replaceState"](null, "", written(view));
    } catch (error) {
      console.warn(`the address stays behind the view: ${error.message}`);
    }
  }

  return { take, load, open, says, diff, saying, compared, chosen, written, read, remember };
})();
