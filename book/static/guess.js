// Guess the next character of a held-out text against a network: its probability and its rank beside the reader's.

const guessing = (() => {

const { element, field, initState, input, loadGame, shown, step, visible } = d2lrnn; // of play.js

const CONTEXT = 40; // characters that both have read before the first guess
const SHOWN = 8; // guesses in the table

// --- the score ---

// The share of each character, from counts; each gets one more, so that none is 0.
function frequencies(counts) {
  const total = counts.reduce((sum, count) => sum + count + 1, 0);
  return counts.map((count) => (count + 1) / total);
}

// The probability that a reader gave to a character: sure to the guess, the rest shared as the frequencies f are.
function share(f, truth, guess, sure) {
  if (guess === null) return f[truth];
  return truth === guess ? sure : ((1 - sure) * f[truth]) / (1 - f[guess]);
}

// What the logits Y say of a character: its probability, its rank, and the likeliest character.
function judge(Y, truth) {
  const best = Y.reduce((i, y, j) => (y > Y[i] ? j : i), 0);
  const total = Y.reduce((sum, y) => sum + Math.exp(y - Y[best]), 0);
  const before = Y.filter((y, j) => y > Y[truth] || (y === Y[truth] && j < truth)).length;
  return { best, p: Math.exp(Y[truth] - Y[best]) / total, rank: before + 1 };
}

// --- the page ---

const WORDS = {
  en: {
    guess: "The next character", sure: "How sure are you?", submit: "Guess", noIdea: "No idea", other: "Another passage",
    loading: "Loading the network …", failed: (why) => `The game could not be loaded (${why}).`,
    begin: (n) => `You have both read ${n} characters. How does it go on? A space counts as a character: ␣.`,
    empty: 'Type one character, or press "No idea".', end: "The text ends here.",
    unknown: (char) => `${char} does not occur in this text; try another.`,
    was: (char, you, p, rank, first) => `It was ${char}. You gave it ${you}, the network ${p}: rank ${rank} (its first guess was ${first}).`,
    columns: ["It was", "You said", "You gave it", "Network said", "It gave it", "Its rank"],
    scores: ["", "Right", "Perplexity"], you: "You", network: "Network", counts: "Frequencies alone", of: (n, total) => `${n} of ${total}`,
  },
  zh: {
    guess: "下一个字", sure: "有多大把握？", submit: "猜", noIdea: "猜不出", other: "换一段",
    loading: "正在载入网络……", failed: (why) => `游戏载入失败（${why}）。`,
    begin: (n) => `你和网络都读了前 ${n} 个字。下一个是什么？空格也算一个字：␣。`,
    empty: "请输入一个字，或者按“猜不出”。", end: "文本到此为止。",
    unknown: (char) => `${char} 不在这份文本的字表里，换一个试试。`,
    was: (char, you, p, rank, first) => `答案是 ${char}。你给它 ${you}，网络给它 ${p}，排第 ${rank}（网络首选 ${first}）。`,
    columns: ["答案", "你猜", "你给它", "网络首选", "网络给它", "排名"],
    scores: ["", "猜中", "困惑度"], you: "你", network: "网络", counts: "只看字频", of: (n, total) => `${total} 中 ${n}`,
  },
};

const rounded = (number) => `${Number(number.toPrecision(3))}`;
const percent = (p) => `${rounded(100 * p)} %`;

// A table: a row of headings, then the rows; each begins with a heading of its own where named is true.
function fill(table, headings, rows, named) {
  const row = (cells, kinds) => element("tr", {}, ...cells.map((cell, i) => element(cell === "" ? "td" : kinds(i), {}, `${cell}`)));
  table.replaceChildren(row(headings, () => "th"), ...rows.map((cells) => row(cells, (i) => (named && i === 0 ? "th" : "td"))));
}

// Somewhere in the text where a line or a word begins, with CONTEXT before it and some text after it.
function anyStart(chars) {
  const starts = [...chars.keys()].filter((i) => i >= CONTEXT && i < chars.length - CONTEXT && chars[i - 1] === " " && chars[i] !== " ");
  return starts[Math.floor(Math.random() * starts.length)] ?? Math.min(CONTEXT, chars.length - 1);
}

function begin({ network, chars }, start) {
  let state = initState(network), Y;
  const from = Math.max(start - CONTEXT, 0);
  for (const char of chars.slice(from, start)) [state, Y] = step(network, network.index.get(char), state);
  return { state, Y, from, start, at: start, turns: [] };
}

// One guess: the index of a character, or null. What both gave to the character that comes, and the state after it.
function turn({ network, chars, f }, round, guess, sure) {
  const truth = network.index.get(chars[round.at]);
  round.turns.push({ truth, guess, reader: share(f, truth, guess, sure), counts: f[truth], ...judge(round.Y, truth) });
  [round.state, round.Y] = step(network, truth, round.state);
  round.at += 1;
}

const perplexity = (ps) => (ps.length ? rounded(Math.exp(-ps.reduce((sum, p) => sum + Math.log(p), 0) / ps.length)) : "–");

function drawText(box, { chars }, round) {
  const passed = round.turns.map(({ truth, guess, best }, i) =>
    element("span", { className: `${guess === truth ? "reader" : ""} ${best === truth ? "network" : ""}`.trim() }, shown(chars[round.start + i])));
  box.replaceChildren(element("span", { className: "read" }, chars.slice(round.from, round.start).join("")), ...passed, element("b", {}, "?"));
}

function drawScores(table, words, turns) {
  const hits = (named) => words.of(turns.filter((one) => one[named] === one.truth).length, turns.length);
  const rows = [
    [words.you, hits("guess"), perplexity(turns.map(({ reader }) => reader))],
    [words.network, hits("best"), perplexity(turns.map(({ p }) => p))],
    [words.counts, "", perplexity(turns.map(({ counts }) => counts))],
  ];
  fill(table, words.scores, rows, true);
}

function drawTurns(table, words, { characters }, turns) {
  const name = (index) => (index === null ? "–" : shown(characters[index]));
  const row = ({ truth, guess, reader, best, p, rank }) => [name(truth), name(guess), percent(reader), name(best), percent(p), rank];
  fill(table, turns.length ? words.columns : [], turns.slice(-SHOWN).reverse().map(row), false);
}

async function play(root) {
  const words = WORDS[root.dataset.language];
  const guess = input("guess-char", "text", "", { autocomplete: "off", size: 6 });
  const sure = input("guess-sure", "range", 50, { min: 1, max: 99, step: 1 });
  const submit = element("button", { id: "guess-submit" }, words.submit);
  const noIdea = element("button", { id: "guess-none", type: "button" }, words.noIdea);
  const other = element("button", { id: "guess-other", type: "button" }, words.other);
  const [sureBox, sureHint] = field(words.sure, sure, "50 %");
  const form = element("form", {}, field(words.guess, guess)[0], sureBox, submit, noIdea, other);
  const message = element("p", { id: "guess-message", textContent: words.loading });
  const text = element("p", { id: "guess-text" }), scores = element("table", { id: "guess-scores" }), turns = element("table", { id: "guess-turns" });
  message.setAttribute("role", "status");
  root.replaceChildren(text, form, message, scores, element("div", { className: "guess-strip", tabIndex: 0 }, turns));
  sure.addEventListener("input", () => (sureHint.value = `${sure.value} %`));

  let game, round;
  const draw = (said) => {
    drawText(text, game, round);
    drawScores(scores, words, round.turns);
    drawTurns(turns, words, game.network, round.turns);
    const ended = round.at >= game.chars.length;
    submit.disabled = noIdea.disabled = ended;
    message.textContent = ended ? `${said} ${words.end}` : said;
  };
  const start = (at) => {
    round = begin(game, at);
    guess.value = "";
    draw(words.begin(round.start - round.from));
  };
  const answer = (index) => {
    turn(game, round, index, Number(sure.value) / 100);
    const { truth, reader, p, rank, best } = round.turns[round.turns.length - 1], name = (i) => shown(game.network.characters[i]);
    guess.value = index === truth ? Array.from(guess.value).slice(1).join("") : ""; // the rest of a word that was typed
    draw(words.was(name(truth), percent(reader), percent(p), rank, name(best)));
    guess.focus();
  };

  submit.disabled = noIdea.disabled = other.disabled = true;
  try {
    const { network, text, counts } = await loadGame(root.dataset.game);
    game = { network, chars: Array.from(text), f: frequencies(counts) };
  } catch (error) {
    message.textContent = words.failed(error.message);
    return;
  }
  other.disabled = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const [char] = Array.from(guess.value);
    if (char === undefined) message.textContent = words.empty;
    else if (!game.network.index.has(char)) message.textContent = words.unknown(visible(char));
    else answer(game.network.index.get(char));
  });
  noIdea.addEventListener("click", () => answer(null));
  other.addEventListener("click", () => start(anyStart(game.chars)));
  start(root.dataset.start ? Number(root.dataset.start) : anyStart(game.chars));
  root.dataset.state = "ready";
}

addEventListener("DOMContentLoaded", () => document.querySelectorAll(".guess").forEach(play));

return { frequencies, judge, share };
})();
