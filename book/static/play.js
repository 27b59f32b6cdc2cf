// The networks of chapters 4, 11 and 12 in the visitor's browser: the same formulas, on weights that `python -m d2lrnn.export` wrote.
// No modules and no fetch: the pages also work when they are opened as files. guess.js, the game, uses what d2lrnn holds.

const d2lrnn = (() => {

// --- the network ---

const games = {}; // by the address of its script

// What the script of a network (see play.py) holds: the network, and the text for the game. It calls d2lrnn.add.
function loadGame(url) {
  return (games[url] ??= new Promise((resolve, reject) => {
    const script = Object.assign(document.createElement("script"), { src: url });
    script.addEventListener("load", () => resolve(script.game));
    script.addEventListener("error", () => reject(new Error(url)));
    document.head.append(script);
  }));
}

function add({ safetensors, ...game }) {
  const bytes = Uint8Array.from(atob(safetensors), (char) => char.charCodeAt(0));
  document.currentScript.game = { ...game, network: readNetwork(bytes.buffer) };
}

// safetensors: header length, header, arrays
function readNetwork(buffer) {
  const view = new DataView(buffer), length = Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const { cell, layers, hidden_dim, chars, normalize = "none" } = header.__metadata__;
  const params = {};
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const [begin, end] = entry.data_offsets.map((offset) => 8 + length + offset);
    params[name] = entry.dtype === "F16" ? readHalves(view, begin, end) : new Float32Array(buffer.slice(begin, end));
  }
  const characters = Array.from(chars);
  const index = new Map(characters.map((char, i) => [char, i]));
  return { cell, numLayers: Number(layers), hiddenDim: Number(hidden_dim), params, characters, index, normalize };
}

// Numbers of 16 bits: sign, exponent, fraction.
function readHalves(view, begin, end) {
  return Float32Array.from({ length: (end - begin) / 2 }, (_, i) => {
    const bits = view.getUint16(begin + 2 * i, true), exponent = (bits >> 10) & 31, fraction = bits & 1023;
    const size = exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24;
    return bits >> 15 ? -size : size;
  });
}

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

// X W_x + H W_h + b for one gate. below: the index of a character (a row of W_x is looked up), or H of the layer beneath.
function affine(network, gate, suffix, below, H) {
  const { hiddenDim: n, params } = network;
  const W_x = params[`W_x${gate}${suffix}`], W_h = params[`W_h${gate}${suffix}`], b = params[`b_${gate}${suffix}`];
  const sum = new Float64Array(n);
  if (typeof below === "number") for (let j = 0; j < n; j++) sum[j] = W_x[below * n + j] + b[j];
  else {
    sum.set(b);
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) sum[j] += below[i] * W_x[i * n + j];
  }
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) sum[j] += H[i] * W_h[i * n + j];
  return sum;
}

const CELLS = {
  rnn(network, suffix, below, { H }) {
    return { H: Float32Array.from(affine(network, "h", suffix, below, H), Math.tanh) };
  },
  gru(network, suffix, below, { H }) {
    const Z = affine(network, "z", suffix, below, H).map(sigmoid);
    const R = affine(network, "r", suffix, below, H).map(sigmoid);
    const H_tilde = affine(network, "h", suffix, below, H.map((h, i) => R[i] * h)).map(Math.tanh);
    return { H: H.map((h, i) => Z[i] * h + (1 - Z[i]) * H_tilde[i]) };
  },
  lstm(network, suffix, below, { H, C }) {
    const [I, F, O] = ["i", "f", "o"].map((gate) => affine(network, gate, suffix, below, H).map(sigmoid));
    const C_tilde = affine(network, "c", suffix, below, H).map(Math.tanh);
    const newC = C.map((c, i) => F[i] * c + I[i] * C_tilde[i]);
    return { H: newC.map((c, i) => O[i] * Math.tanh(c)), C: newC };
  },
};

function initState(network) {
  const zeros = () => new Float32Array(network.hiddenDim);
  return Array.from({ length: network.numLayers }, () => ({ H: zeros(), C: zeros() }));
}

// One character in: the new state of every layer, and the logits Y.
function step(network, char, state) {
  let below = char;
  const newState = state.map((layer, k) => {
    const next = CELLS[network.cell](network, k ? `_${k + 1}` : "", below, layer);
    below = next.H;
    return next;
  });
  const { hiddenDim: n, characters, params: { W_hy, b_y } } = network;
  const V = characters.length, Y = Float64Array.from(b_y);
  for (let i = 0; i < n; i++) for (let j = 0; j < V; j++) Y[j] += below[i] * W_hy[i * V + j];
  return [newState, Y];
}

// The indices of the count largest numbers, the largest first; of equal ones the first.
function largest(numbers, count) {
  const found = [];
  for (let i = 0; i < numbers.length; i++) {
    if (found.length === count && !(numbers[i] > numbers[found[count - 1]])) continue;
    let place = found.length;
    while (place > 0 && numbers[i] > numbers[found[place - 1]]) place--;
    found.splice(place, 0, i);
    if (found.length > count) found.pop();
  }
  return found;
}

// Y becomes the probabilities of all characters at a temperature, 0 for those that are not kept. Nothing is sorted unless topK asks for it.
function toProbabilities(Y, temperature = 1, topK = 0) {
  const [top] = largest(Y, 1), max = Y[top];
  const kept = temperature === 0 ? [top] : topK ? largest(Y, topK) : null;
  let sum = 0;
  for (let i = 0; i < Y.length; i++) sum += Y[i] = Math.exp((Y[i] - max) / (temperature || 1));
  if (kept) {
    const weights = kept.map((i) => Y[i]);
    sum = weights.reduce((a, b) => a + b, 0);
    Y.fill(0);
    kept.forEach((i, k) => { Y[i] = weights[k]; });
  }
  for (let i = 0; i < Y.length; i++) Y[i] /= sum;
  return Y;
}

function choose(P) {
  let left = Math.random();
  for (let i = 0; i < P.length; i++) if ((left -= P[i]) < 0) return i;
  return largest(P, 1)[0];
}

// --- the page ---

const SHOWN = 6; // of the likeliest next characters

const WORDS = {
  en: {
    network: "Network", prefix: "Begin with", temperature: "Temperature", topK: "Top-k", length: "Characters", write: "Write", stop: "Stop",
    greedy: "0: always the likeliest", all: "all", loading: "Loading the network …", empty: "Give it at least one character to begin with.",
    unknown: (chars, size) => `The network has never met ${chars}. It knows the ${size} characters of the text that it was trained on; try others.`,
    failed: (why) => `The network could not be loaded (${why}).`,
    keys: "Ctrl+Enter writes.", next: (char) => `After ${char}, the next character:`,
    state: "The hidden state: a column for each character, a row for each unit; blue is negative, orange positive.",
  },
  zh: {
    network: "网络", prefix: "开头", temperature: "温度", topK: "top-k", length: "字数", write: "写", stop: "停",
    greedy: "0：总取最可能的字", all: "全部", loading: "正在载入网络……", empty: "请至少给它一个字作开头。",
    unknown: (chars, size) => `网络没见过 ${chars}。它只认识训练文本里的 ${size} 个字符，换几个试试。`,
    failed: (why) => `网络载入失败（${why}）。`,
    keys: "按 Ctrl+Enter 开始写。", next: (char) => `${char} 之后的下一个字：`,
    state: "隐藏状态：每个字一列，每个单元一行；蓝色为负，橙色为正。",
  },
};

function element(kind, attributes = {}, ...children) {
  const made = Object.assign(document.createElement(kind), attributes);
  made.append(...children);
  return made;
}

function field(label, input, note = "") {
  const hint = element("output", { value: note });
  return [element("label", {}, label, input, hint), hint];
}

// As the corpus was prepared, and as `python -m d2lrnn.predict` does it: a line end is a space where lines were spaces.
function prepare(network, prefix) {
  const text = network.normalize === "none" ? prefix : prefix.normalize(network.normalize);
  return network.index.has("\n") ? text : text.replaceAll("\n", " ");
}

// A character as a message shows it: "\n" for a line end; and where a space would not be seen.
const visible = (char) => (/\p{C}|\p{Z}/u.test(char) ? JSON.stringify(char) : char);
const shown = (char) => ({ " ": "␣", "\n": "↵" })[char] ?? visible(char);

function input(id, type, value, attributes = {}) {
  return Object.assign(document.createElement("input"), { id, type, ...attributes, value });
}

// One column of the heat map; its strength is the opacity, so that it suits light and dark pages.
function drawColumn(canvas, column, H, width) {
  const context = canvas.getContext("2d");
  H.forEach((h, row) => {
    context.fillStyle = h < 0 ? `rgba(11, 111, 164, ${-h})` : `rgba(196, 80, 27, ${h})`;
    context.fillRect(column * width, row, width - 1, 1);
  });
}

// The likeliest next characters, with bars as long as their probabilities.
function drawNext(list, characters, P) {
  list.replaceChildren(...largest(P, SHOWN).filter((i) => P[i] > 0).map((i) => {
    const p = P[i];
    const bar = element("span", { className: "play-bar" });
    bar.style.width = `${100 * p}%`;
    return element("li", {}, element("b", {}, shown(characters[i])), bar, `${(100 * p).toFixed(p < 0.1 ? 1 : 0)} %`);
  }));
}

// data-networks: [[script, name, prefix], …] in JSON. data-auto: it writes as soon as the page is there.
async function play(root) {
  const words = WORDS[root.dataset.language], networks = JSON.parse(root.dataset.networks), columnWidth = 16;
  const which = element("select", { id: "play-network" }, ...networks.map(([, name], i) => new Option(name, i)));
  const prefix = element("textarea", { id: "play-prefix", rows: 1, autocomplete: "off", value: networks[0][2] });
  const temperature = input("play-temperature", "range", 0.8, { min: 0, max: 2, step: 0.1 });
  const topK = input("play-top-k", "range", 0, { min: 0, max: 50, step: 1 });
  const length = input("play-length", "number", 100, { min: 1, max: 1000 });
  const button = element("button", { id: "play-write" }, words.write);
  const [prefixBox, prefixHint] = field(words.prefix, prefix);
  const [temperatureBox, temperatureHint] = field(words.temperature, temperature);
  const [topKBox, topKHint] = field(words.topK, topK);
  const form = element("form", {}, ...(networks.length > 1 ? [field(words.network, which)[0]] : []), prefixBox, temperatureBox, topKBox,
    field(words.length, length)[0], button);
  const message = element("p", { id: "play-message" });
  message.setAttribute("role", "status");
  const written = element("p", { id: "play-text" });
  const nextOf = element("p", { className: "play-caption" }), next = element("ol", { id: "play-next" });
  const letters = element("div", { className: "play-letters" }), canvas = element("canvas", { id: "play-state" });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", words.state);
  const strip = element("div", { className: "play-strip", tabIndex: 0 }, letters, canvas);
  const result = element("div", { hidden: true }, written, nextOf, next, strip, element("p", { className: "play-caption" }, words.state));
  root.replaceChildren(form, message, result);

  const showValues = () => {
    temperatureHint.value = Number(temperature.value) === 0 ? words.greedy : temperature.value;
    topKHint.value = Number(topK.value) === 0 ? words.all : topK.value;
  };
  form.addEventListener("input", showValues);
  showValues();

  let network, running = 0;
  const stop = () => {
    running = 0;
    button.textContent = words.write;
    root.dataset.state = "ready";
  };
  const say = (why) => { // nothing of an earlier text stays below it
    stop();
    message.textContent = why;
    result.hidden = true;
    written.replaceChildren();
  };
  const load = async () => {
    const [url] = networks[which.value];
    say(words.loading);
    delete root.dataset.state;
    button.disabled = true;
    try {
      const loaded = (await loadGame(url)).network;
      if (networks[which.value][0] !== url) return; // another one has been chosen since
      network = loaded;
    } catch (error) {
      say(words.failed(error.message));
      delete root.dataset.state;
      return;
    }
    // Enter is a line end where the network knows one, and elsewhere writes at once, as Ctrl+Enter does everywhere.
    prefix.rows = network.index.has("\n") ? 3 : 1;
    prefixHint.value = network.index.has("\n") ? words.keys : "";
    button.disabled = false;
    say("");
  };
  which.addEventListener("change", () => {
    prefix.value = networks[which.value][2];
    load();
  });
  prefix.addEventListener("keydown", (event) => {
    const isLineEnd = network?.index.has("\n") && !event.ctrlKey && !event.metaKey;
    if (event.key !== "Enter" || event.isComposing || event.shiftKey || isLineEnd) return;
    event.preventDefault();
    form.requestSubmit();
  });

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (running) return stop();
    if (!network || button.disabled) return;
    const begin = prepare(network, prefix.value), chars = Array.from(begin);
    const unknown = [...new Set(chars.filter((char) => !network.index.has(char)))];
    if (chars.length === 0) return say(words.empty);
    if (unknown.length) return say(words.unknown(unknown.map(visible).join(" "), network.characters.length));
    const run = (running = Date.now() + Math.random()), total = chars.length + Math.min(Math.max(Number(length.value) || 1, 1), 1000);
    root.dataset.state = "writing";
    button.textContent = words.stop;
    message.textContent = "";
    Object.assign(canvas, { width: total * columnWidth, height: network.hiddenDim });
    const indices = chars.map((char) => network.index.get(char));
    written.replaceChildren(element("b", {}, begin), "");
    letters.replaceChildren();
    result.hidden = false;
    let state = initState(network), Y, P;
    for (let t = 0; t < total; t++) { // the prefix warms the state up; then the network's own choice is its next input
      if (t >= indices.length) {
        indices.push(choose(P));
        written.lastChild.data += network.characters[indices[t]];
      }
      [state, Y] = step(network, indices[t], state);
      P = toProbabilities(Y, Number(temperature.value), Number(topK.value));
      const char = shown(network.characters[indices[t]]);
      drawColumn(canvas, t, state[state.length - 1].H, columnWidth);
      letters.append(element("span", {}, char));
      nextOf.textContent = words.next(char);
      drawNext(next, network.characters, P);
      strip.scrollLeft = (t + 1) * columnWidth - strip.clientWidth;
      await new Promise((resolve) => setTimeout(resolve, Number(root.dataset.delay ?? 60)));
      if (running !== run) return;
    }
    stop();
  });

  await load();
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches || navigator.connection?.saveData;
  if ("auto" in root.dataset && network && !still) form.requestSubmit();
}

addEventListener("DOMContentLoaded", () => document.querySelectorAll(".play").forEach(play));

return { add, element, field, initState, input, loadGame, shown, step, visible };
})();
