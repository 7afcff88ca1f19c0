/* Score a caption in the page: CLIP's text tower in plain JavaScript, no server and no network.
 *
 * `gegScorer.open(element)` puts the controls into an element; the data file, some megabytes, is
 * asked for when a reader wants it, and calls `gegScorer.start(data)`. Equal to Python to 1e-4,
 * which a test holds (tests/bookkit/play). Equations: 1 (similarity), 3 and 4 (gaps).
 */
"use strict";
window.gegScorer = (() => {
  let state = null; // what `start` made of the data
  let holder = null; // the element that shows it

  // ---- tensors -----------------------------------------------------------------------------

  function half(bits) {
    const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }

  /* safetensors: eight bytes of length, a JSON header, then the numbers. */
  function readTensors(text) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const view = new DataView(bytes.buffer), length = Number(view.getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
    const tensors = {};
    for (const [name, about] of Object.entries(header)) {
      if (name === "__metadata__") continue;
      const [begin, end] = about.data_offsets.map((offset) => offset + 8 + length);
      const size = about.dtype === "F16" ? 2 : 4, values = new Float32Array((end - begin) / size);
      for (let i = 0; i < values.length; i++) {
        const at = begin + i * size;
        values[i] = size === 2 ? half(view.getUint16(at, true)) : view.getFloat32(at, true);
      }
      tensors[name] = { values, shape: about.shape };
    }
    return tensors;
  }

  // ---- tokenizer: open_clip's SimpleTokenizer ------------------------------------------------

  const PIECES = /<start_of_text>|<end_of_text>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+/giu;

  /* Bytes as printable letters, in the order in which they have ids. */
  function byteLetters() {
    const printable = [];
    for (const [first, last] of [[33, 126], [161, 172], [174, 255]]) {
      for (let byte = first; byte <= last; byte++) printable.push(byte);
    }
    const letters = new Map(printable.map((byte) => [byte, String.fromCodePoint(byte)]));
    for (let byte = 0, next = 256; byte < 256; byte++) {
      if (!letters.has(byte)) letters.set(byte, String.fromCodePoint(next++));
    }
    return letters;
  }

  function makeTokenizer(merges, context) {
    const letters = byteLetters(), pairs = merges.split("\n").map((line) => line.split(" "));
    const symbols = [...letters.values()];
    const vocabulary = [...symbols, ...symbols.map((symbol) => symbol + "</w>"),
      ...pairs.map((pair) => pair.join("")), "<start_of_text>", "<end_of_text>"];
    const ids = new Map(vocabulary.map((symbol, id) => [symbol, id]));
    const ranks = new Map(pairs.map((pair, rank) => [pair.join(" "), rank]));
    const start = vocabulary.length - 2, end = vocabulary.length - 1;

    function encodePiece(piece) {
      if (piece === "<start_of_text>" || piece === "<end_of_text>") return [ids.get(piece)];
      let parts = [...new TextEncoder().encode(piece)].map((byte) => letters.get(byte));
      parts[parts.length - 1] += "</w>";
      while (parts.length > 1) {
        let best = Infinity, pair = "";
        for (let i = 0; i + 1 < parts.length; i++) {
          const rank = ranks.get(`${parts[i]} ${parts[i + 1]}`);
          if (rank !== undefined && rank < best) [best, pair] = [rank, `${parts[i]} ${parts[i + 1]}`];
        }
        if (best === Infinity) break;
        const [left, right] = pair.split(" "), joined = [];
        for (let i = 0; i < parts.length; i++) {
          const both = parts[i] === left && parts[i + 1] === right;
          joined.push(both ? left + right : parts[i]);
          if (both) i++;
        }
        parts = joined;
      }
      return parts.map((part) => ids.get(part));
    }

    return (text) => {
      const clean = text.replace(/\s+/g, " ").trim().toLowerCase();
      const tokens = [start, ...(clean.match(PIECES) || []).flatMap(encodePiece), end];
      return tokens.length > context ? [...tokens.slice(0, context - 1), end] : tokens;
    };
  }

  // ---- text tower ----------------------------------------------------------------------------

  /* The error function to 1.2e-7 (Press et al., Numerical Recipes, Sec. 6.2). */
  function erf(x) {
    const t = 1 / (1 + 0.5 * Math.abs(x));
    const terms = [0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806,
      0.09678418, 0.37409196, 1.00002368, -1.26551223];
    const sum = terms.reduce((total, term) => total * t + term, 0);
    const tail = t * Math.exp(-x * x + sum);
    return x >= 0 ? 1 - tail : tail - 1;
  }
  const gelu = (x) => 0.5 * x * (1 + erf(x / Math.SQRT2));

  function norm(rows, width, weight, bias) {
    const out = new Float32Array(rows.length);
    for (let begin = 0; begin < rows.length; begin += width) {
      let mean = 0, variance = 0;
      for (let i = 0; i < width; i++) mean += rows[begin + i] / width;
      for (let i = 0; i < width; i++) variance += (rows[begin + i] - mean) ** 2 / width;
      const scale = 1 / Math.sqrt(variance + 1e-5);
      for (let i = 0; i < width; i++) {
        out[begin + i] = (rows[begin + i] - mean) * scale * weight[i] + bias[i];
      }
    }
    return out;
  }

  /* Rows (L, inner) times weight (outer, inner) transposed, plus bias. */
  function linear(rows, weight, bias, activation = (x) => x) {
    const [outer, inner] = weight.shape, length = rows.length / inner;
    const out = new Float32Array(length * outer);
    for (let row = 0; row < length; row++) {
      for (let column = 0; column < outer; column++) {
        let sum = bias[column];
        const w = column * inner, x = row * inner;
        for (let i = 0; i < inner; i++) sum += weight.values[w + i] * rows[x + i];
        out[row * outer + column] = activation(sum);
      }
    }
    return out;
  }

  /* Every word attends to itself and to those before it. qkv (L, 3 width) -> (L, width). */
  function attention(qkv, length, width, heads) {
    const out = new Float32Array(length * width), size = width / heads, scale = 1 / Math.sqrt(size);
    for (let head = 0; head < heads; head++) {
      for (let to = 0; to < length; to++) {
        const q = to * 3 * width + head * size, scores = [];
        for (let from = 0; from <= to; from++) {
          const k = from * 3 * width + width + head * size;
          let sum = 0;
          for (let i = 0; i < size; i++) sum += qkv[q + i] * qkv[k + i];
          scores.push(sum * scale);
        }
        const most = Math.max(...scores), weights = scores.map((score) => Math.exp(score - most));
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        for (let from = 0; from <= to; from++) {
          const v = from * 3 * width + 2 * width + head * size, weight = weights[from] / total;
          for (let i = 0; i < size; i++) out[to * width + head * size + i] += weight * qkv[v + i];
        }
      }
    }
    return out;
  }

  function add(target, other) {
    for (let i = 0; i < target.length; i++) target[i] += other[i];
  }

  /* The embedding of a caption: Float32Array (E,), of length 1. */
  function encodeText(model, text) {
    const { tensors, tokenize, heads } = model, every = tokenize(text);
    const ids = every.slice(0, every.indexOf(Math.max(...every)) + 1); // CLIP reads off the first end
    const values = (name) => tensors[name].values;
    const width = tensors["token_embedding.weight"].shape[1], length = ids.length;
    const x = new Float32Array(length * width);
    ids.forEach((id, row) => {
      for (let i = 0; i < width; i++) {
        x[row * width + i] = values("token_embedding.weight")[id * width + i]
          + values("positional_embedding")[row * width + i];
      }
    });
    for (let layer = 0; `transformer.resblocks.${layer}.ln_1.weight` in tensors; layer++) {
      const at = (name) => `transformer.resblocks.${layer}.${name}`;
      const first = norm(x, width, values(at("ln_1.weight")), values(at("ln_1.bias")));
      const qkv = linear(first, tensors[at("attn.in_proj_weight")], values(at("attn.in_proj_bias")));
      const seen = attention(qkv, length, width, heads);
      add(x, linear(seen, tensors[at("attn.out_proj.weight")], values(at("attn.out_proj.bias"))));
      const second = norm(x, width, values(at("ln_2.weight")), values(at("ln_2.bias")));
      const hidden = linear(second, tensors[at("mlp.c_fc.weight")], values(at("mlp.c_fc.bias")), gelu);
      add(x, linear(hidden, tensors[at("mlp.c_proj.weight")], values(at("mlp.c_proj.bias"))));
    }
    const last = x.slice((length - 1) * width);
    const final = norm(last, width, values("ln_final.weight"), values("ln_final.bias"));
    const projection = tensors["text_projection"], size = projection.shape[1];
    const out = new Float32Array(size);
    for (let i = 0; i < size; i++) {
      let sum = 0;
      for (let j = 0; j < width; j++) sum += final[j] * projection.values[j * size + i];
      out[i] = sum;
    }
    const long = Math.hypot(...out);
    return out.map((value) => value / long);
  }

  /* Similarity with every test picture (Eq. 1), both gaps (Eq. 3, 4), and the rank, from 1. */
  function score(text, row) {
    const embedding = encodeText(state, text), { values, shape } = state.tensors.images;
    const similarity = new Float32Array(shape[0]);
    for (let image = 0; image < shape[0]; image++) {
      let sum = 0;
      for (let i = 0; i < shape[1]; i++) sum += values[image * shape[1] + i] * embedding[i];
      similarity[image] = sum;
    }
    const own = similarity[row], group = state.groups[row].map((image) => similarity[image]);
    const average = own - group.reduce((sum, value) => sum + value, 0) / group.length;
    const rank = similarity.reduce((n, value, image) => n + (image !== row && value >= own ? 1 : 0), 1);
    return { own, group, average, minimum: own - Math.max(...group), rank, pictures: shape[0] };
  }

  // ---- the page ------------------------------------------------------------------------------

  function element(tag, properties = {}, ...children) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  }

  const signed = (value) => (value < 0 ? "\u2212" : "+") + Math.abs(value).toFixed(3);

  function bar(name, source, value, own) {
    const share = Math.max(0, Math.min(1, value)) * 100;
    const picture = element("img", { src: source, alt: name, className: "dark-light" });
    const fill = element("span", { className: own ? "geg-fill geg-own" : "geg-fill" });
    fill.style.width = `${share}%`;
    const track = element("span", { className: "geg-track" }, fill);
    const figure = element("span", { className: "geg-value", textContent: value.toFixed(3) });
    return element("div", { className: "geg-bar" }, picture, track, figure);
  }

  function show() {
    const row = state.row, text = state.field.value, found = score(text, row);
    const bars = [bar("the picture itself", state.pictures[row], found.own, true)];
    state.groups[row].forEach((image, place) => {
      bars.push(bar(`similar picture ${place + 1}`, state.pictures[image], found.group[place], false));
    });
    state.bars.replaceChildren(...bars);
    const rank = `rank ${found.rank.toLocaleString("en")} of ${found.pictures.toLocaleString("en")}`;
    const gaps = `GEG-Avg ${signed(found.average)}, GEG-Min ${signed(found.minimum)}`;
    state.verdict.textContent = `similarity ${found.own.toFixed(3)}; ${gaps}; ${rank}`;
  }

  function choose(row) {
    const count = state.groups.length;
    state.row = (row + count) % count;
    state.target.src = state.pictures[state.row];
    state.target.alt = `test picture ${state.row + 1}: ${state.captions[state.row]["annotator 1"]}`;
    state.number.value = state.row + 1;
    const said = Object.entries(state.captions[state.row]);
    state.presets.replaceChildren(...said.map(([label, caption]) => {
      const use = () => { state.field.value = caption; show(); };
      return element("button", { type: "button", textContent: label, title: caption, onclick: use });
    }));
    state.field.value = said[0][1];
    show();
  }

  function build() {
    const button = (textContent, onclick) => element("button", { type: "button", textContent, onclick });
    state.target = element("img", { className: "geg-target dark-light", width: 256, height: 256 });
    state.number = element("input", { type: "number", min: 1, max: state.groups.length,
      onchange: () => choose((parseInt(state.number.value, 10) || 1) - 1) });
    const pick = element("div", { className: "geg-pick" },
      button("previous", () => choose(state.row - 1)),
      element("label", {}, "picture ", state.number, ` of ${state.groups.length}`),
      button("next", () => choose(state.row + 1)));
    state.field = element("textarea", { rows: 2, oninput: show, spellcheck: false });
    state.presets = element("div", { className: "geg-presets" });
    state.verdict = element("p", { className: "geg-verdict" });
    state.verdict.setAttribute("role", "status");
    state.bars = element("div", { className: "geg-bars" });
    const left = element("div", {}, state.target, pick);
    const right = element("div", {}, element("label", {}, "A caption of it", state.field),
      state.presets, state.verdict, state.bars);
    holder.replaceChildren(element("div", { className: "geg-scorer" }, left, right));
    choose(0);
  }

  function start(data) {
    const tensors = readTensors(data.tensors);
    state = { ...data, tensors, tokenize: makeTokenizer(data.merges, data.context) };
    if (holder) build();
  }

  function open(target, address) {
    holder = target;
    const script = element("script", { src: address });
    script.onerror = () => { holder.textContent = "The data of this page is not there: it is made with the book of the embedded world."; };
    const load = () => { wait.textContent = "loading"; document.head.append(script); };
    const wait = element("button", { type: "button", textContent: "Load the scorer", onclick: load });
    holder.replaceChildren(wait);
  }

  return { open, start, score, encode: (text) => [...encodeText(state, text)], tokens: (text) => state.tokenize(text) };
})();
