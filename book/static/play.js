// The networks of chapters 4, 11 and 12 in the visitor's browser: the same formulas, on weights from `python -m d2lrnn.export`.
// guess.js, the game, imports from here.

// --- the network ---

export async function loadNetwork(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: HTTP ${response.status}`);
  const buffer = await response.arrayBuffer();
  const length = Number(new DataView(buffer).getBigUint64(0, true)); // safetensors: header length, header, arrays
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const { cell, layers, hidden_dim, chars, normalize = "none" } = header.__metadata__;
  const params = {};
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const [begin, end] = entry.data_offsets;
    params[name] = new Float32Array(buffer.slice(8 + length + begin, 8 + length + end));
  }
  const characters = Array.from(chars);
  const index = new Map(characters.map((char, i) => [char, i]));
  return { cell, numLayers: Number(layers), hiddenDim: Number(hidden_dim), params, characters, index, normalize };
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

export function initState(network) {
  const zeros = () => new Float32Array(network.hiddenDim);
  return Array.from({ length: network.numLayers }, () => ({ H: zeros(), C: zeros() }));
}

// One character in: the new state of every layer, and the logits Y.
export function step(network, char, state) {
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

function choose(Y, temperature, topK) {
  const order = Array.from(Y.keys()).sort((a, b) => Y[b] - Y[a] || a - b);
  if (temperature === 0) return order[0];
  const kept = topK ? order.slice(0, topK) : order;
  const weights = kept.map((i) => Math.exp((Y[i] - Y[order[0]]) / temperature));
  let left = Math.random() * weights.reduce((a, b) => a + b, 0);
  for (let k = 0; k < kept.length; k++) if ((left -= weights[k]) < 0) return kept[k];
  return kept[0];
}

// --- the page ---

const WORDS = {
  en: {
    prefix: "Begin with", temperature: "Temperature", topK: "Top-k", length: "Characters", write: "Write", stop: "Stop",
    greedy: "0: always the likeliest", all: "all", loading: "Loading the network …", empty: "Give it at least one character to begin with.",
    unknown: (chars, size) => `The network has never met ${chars}. It knows the ${size} characters of the songs that it was trained on; try others.`,
    failed: (why) => `The network could not be loaded (${why}).`,
    keys: "Ctrl+Enter writes.",
    state: "The hidden state: a column for each character, a row for each unit; blue is negative, orange positive.",
  },
  zh: {
    prefix: "开头", temperature: "温度", topK: "top-k", length: "字数", write: "写", stop: "停",
    greedy: "0：总取最可能的字", all: "全部", loading: "正在载入网络……", empty: "请至少给它一个字作开头。",
    unknown: (chars, size) => `网络没见过 ${chars}。它只认识训练歌词里的 ${size} 个字符，换几个试试。`,
    failed: (why) => `网络载入失败（${why}）。`,
    keys: "按 Ctrl+Enter 开始写。",
    state: "隐藏状态：每个字一列，每个单元一行；蓝色为负，橙色为正。",
  },
};

export function field(label, input, note = "") {
  const box = document.createElement("label"), hint = document.createElement("output");
  box.append(label, input, hint);
  hint.value = note;
  return [box, hint];
}

// As the corpus was prepared, and as `python -m d2lrnn.predict` does it: a line end is a space where lines were spaces.
function prepare(network, prefix) {
  const text = network.normalize === "none" ? prefix : prefix.normalize(network.normalize);
  return network.index.has("\n") ? text : text.replaceAll("\n", " ");
}

// A character as a message shows it: "\n" for a line end.
export function visible(char) {
  return /\p{C}|\p{Z}/u.test(char) ? JSON.stringify(char) : char;
}

export function input(id, type, value, attributes = {}) {
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

async function play(root) {
  const words = WORDS[root.dataset.language], columnWidth = 10;
  const form = document.createElement("form"), message = document.createElement("p"), written = document.createElement("p");
  const caption = document.createElement("p"), strip = document.createElement("div"), canvas = document.createElement("canvas");
  const prefix = Object.assign(document.createElement("textarea"), { id: "play-prefix", rows: 1, autocomplete: "off", value: root.dataset.prefix });
  const temperature = input("play-temperature", "range", 0.8, { min: 0, max: 2, step: 0.1 });
  const topK = input("play-top-k", "range", 0, { min: 0, max: 50, step: 1 });
  const length = input("play-length", "number", 100, { min: 1, max: 1000 });
  const button = Object.assign(document.createElement("button"), { id: "play-write", textContent: words.write });
  const [prefixBox, prefixHint] = field(words.prefix, prefix);
  const [temperatureBox, temperatureHint] = field(words.temperature, temperature);
  const [topKBox, topKHint] = field(words.topK, topK);
  const showValues = () => {
    temperatureHint.value = Number(temperature.value) === 0 ? words.greedy : temperature.value;
    topKHint.value = Number(topK.value) === 0 ? words.all : topK.value;
  };
  form.append(prefixBox, temperatureBox, topKBox, field(words.length, length)[0], button);
  form.addEventListener("input", showValues);
  showValues();
  Object.assign(message, { id: "play-message", textContent: words.loading }).setAttribute("role", "status");
  Object.assign(written, { id: "play-text" }).setAttribute("aria-live", "off");
  Object.assign(caption, { className: "play-caption", textContent: words.state });
  canvas.id = "play-state";
  strip.className = "play-strip";
  strip.append(canvas);
  root.replaceChildren(form, message, written, strip, caption);

  let network, running = 0;
  button.disabled = true;
  try {
    network = await loadNetwork(root.dataset.network);
  } catch (error) {
    message.textContent = words.failed(error.message);
    return;
  }
  button.disabled = false;
  message.textContent = "";

  // Enter is a line end where the network knows one, and elsewhere writes at once, as Ctrl+Enter does everywhere.
  const hasLines = network.index.has("\n");
  if (hasLines) {
    prefix.rows = 3;
    prefixHint.value = words.keys;
  }
  prefix.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || event.shiftKey || (hasLines && !event.ctrlKey && !event.metaKey)) return;
    event.preventDefault();
    form.requestSubmit();
  });

  const stop = () => {
    running = 0;
    button.textContent = words.write;
    root.dataset.state = "ready";
  };
  stop();

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (running) return stop();
    const begin = prepare(network, prefix.value), chars = Array.from(begin);
    const unknown = [...new Set(chars.filter((char) => !network.index.has(char)))];
    message.textContent = chars.length === 0 ? words.empty : unknown.length ? words.unknown(unknown.map(visible).join(" "), network.characters.length) : "";
    if (message.textContent) return;
    const run = (running = Date.now() + Math.random()), total = chars.length + Math.min(Math.max(Number(length.value) || 1, 1), 1000);
    root.dataset.state = "writing";
    button.textContent = words.stop;
    Object.assign(canvas, { width: total * columnWidth, height: network.hiddenDim });
    const indices = chars.map((char) => network.index.get(char));
    written.replaceChildren(Object.assign(document.createElement("b"), { textContent: begin }), "");
    let state = initState(network), Y;
    for (let t = 0; t < total; t++) { // the prefix warms the state up; then the network's own choice is its next input
      if (t >= indices.length) {
        indices.push(choose(Y, Number(temperature.value), Number(topK.value)));
        written.lastChild.data += network.characters[indices[t]];
      }
      [state, Y] = step(network, indices[t], state);
      drawColumn(canvas, t, state[state.length - 1].H, columnWidth);
      strip.scrollLeft = (t + 1) * columnWidth - strip.clientWidth;
      await new Promise((resolve) => setTimeout(resolve, Number(root.dataset.delay ?? 40)));
      if (running !== run) return;
    }
    stop();
  });
}

document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".play").forEach(play));
