"""What evaluate says of a text is what its definition says, however texts are cut, joined and spelled."""

from __future__ import annotations

import codecs
import io
import json
import math
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import d2lrnn
from d2lrnn import export
from d2lrnn.checkpoint import load_newest, save_next
from d2lrnn.fast import get_network
from d2lrnn.formats.safetensors_file import load_network, write_network
from d2lrnn.running import measure
from d2lrnn.running.adapting import measure_adaptively
from d2lrnn.running.settings import Settings

import mxnet as mx
import numpy as np
import pytest
from mxnet import nd
from safetensors import safe_open
from small_run import perplexities, run_small
from test_predict import refusal

command = import_module("d2lrnn.evaluate")  # the name d2lrnn.evaluate is lesson 9's
pytestmark = pytest.mark.usefixtures("empty_folder")

CHARS = " abcdefgh分开"


def network(cell: str = "gru", layers: int = 1, **values: Any) -> str:
    """A file with a network that tells its characters apart. values: what parameters hold instead."""
    settings, path = Settings(cell=cell, layers=layers, hidden_dim=6), "network.safetensors"
    mx.random.seed(1)
    params = get_network(cell, layers).get_params(len(CHARS), settings.hidden_dim, scale=0.4)
    params.b_y[:] = nd.random.normal(shape=params.b_y.shape)
    for name, value in values.items():
        getattr(params, name)[:] = value
    write_network(Path(path), settings, d2lrnn.Vocab(CHARS), params)
    return path


def text(length: int, seed: int = 0, chars: str = CHARS) -> str:
    return "".join(np.random.default_rng(seed).choice(list(chars), length))


def files(*texts: str) -> list[str]:
    for k, content in enumerate(texts):
        Path(f"{k}.txt").write_text(content, "utf-8")
    return [f"{k}.txt" for k in range(len(texts))]


def evaluate(*arguments: Any) -> int:
    return command.main([*map(str, arguments)])


def scores(capsys: pytest.CaptureFixture[str], *arguments: Any) -> list[dict[str, Any]]:
    """What --json says of each text and, last, of all."""
    capsys.readouterr()
    assert evaluate(*arguments, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    return [*found["texts"], found["total"]]


# --- an oracle in numpy ---


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def step(
    cell: str, W: dict[str, np.ndarray], end: str, X: np.ndarray, S: list[np.ndarray]
) -> list[np.ndarray]:
    """The formulas of the book, for one character: X into the layer whose parameters end so, in state S."""

    def A(gate: str, H: np.ndarray) -> np.ndarray:
        return X @ W[f"W_x{gate}{end}"] + H @ W[f"W_h{gate}{end}"] + W[f"b_{gate}{end}"]

    H = S[0]
    if cell == "rnn":
        return [np.tanh(A("h", H))]
    if cell == "gru":
        Z, R = sigmoid(A("z", H)), sigmoid(A("r", H))
        candidate = np.tanh(X @ W["W_xh" + end] + (R * H) @ W["W_hh" + end] + W["b_h" + end])
        return [Z * H + (1 - Z) * candidate]
    C = sigmoid(A("f", H)) * S[1] + sigmoid(A("i", H)) * np.tanh(A("c", H))
    return [sigmoid(A("o", H)) * np.tanh(C), C]


def oracle(path: str, content: str) -> tuple[float, int]:
    """-log2 p of the known characters of a text but the first, added up, and how many they are."""
    with safe_open(path, "np") as file:
        about, names = file.metadata(), file.keys()
        W = {name: file.get_tensor(name).astype(float) for name in names}
    ends = ["", *(f"_{k}" for k in range(2, int(about["layers"]) + 1))]
    states = [[np.zeros(int(about["hidden_dim"]))] * 2 for _ in ends]
    known = [about["chars"].index(char) for char in content if char in about["chars"]]
    bits = 0.0
    for char, target in zip(known, known[1:]):
        X = np.eye(len(about["chars"]))[char]
        for k, end in enumerate(ends):
            states[k] = step(about["cell"], W, end, X, states[k])
            X = states[k][0]
        p = np.exp(X @ W["W_hy"] + W["b_y"])
        bits -= math.log2(p[target] / p.sum())
    return bits, len(known) - 1


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("layers", [1, 2])
def test_the_figures_are_those_of_a_sum_in_numpy(
    cell: str, layers: int, capsys: pytest.CaptureFixture[str]
) -> None:
    path = network(cell, layers)
    texts = [text(1300), text(1100, 1, CHARS + "éxyz\t"), text(2), text(70, 2), text(90, 3)]

    found = scores(capsys, path, *files(*texts))

    sums = [oracle(path, content) for content in texts]
    sums.append((sum(bits for bits, _ in sums), sum(count for _, count in sums)))
    assert [score["scored"] for score in found] == [count for _, count in sums]
    means = [bits / count for bits, count in sums]
    assert [score["bits_per_character"] for score in found] == pytest.approx(means, rel=1e-5)
    assert [score["perplexity"] for score in found] == pytest.approx([2**mean for mean in means], rel=1e-5)
    assert max(means) > 1.05 * min(means), "the texts are too much alike to tell a wrong sum"


# --- how texts are read ---


def test_no_figure_depends_on_how_many_characters_and_texts_are_read_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, names = network(), files(*(text(length, length) for length in (70, 2, 90, 88, 33)))
    together = scores(capsys, path, *names)

    alone = [scores(capsys, path, name)[0] for name in names]
    for name, most in (("MAX_STEPS", 7), ("MAX_ROWS", 2), ("MAX_LOGITS", 3 * 2 * len(CHARS))):
        monkeypatch.setattr(measure, name, most)
        cut = scores(capsys, path, *names)

        assert [score["text"] for score in cut] == [*names, "total"]
        assert figures(cut) == pytest.approx(figures(together), rel=1e-6)
    assert figures(alone) == pytest.approx(figures(together)[: len(alone)], rel=1e-6)


def figures(found: list[dict[str, Any]]) -> list[float]:
    return [score["perplexity"] for score in found]


def test_unknown_characters_are_counted_and_otherwise_as_if_they_were_not_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, known = network(), text(60)
    mixed = "é" + known[:20] + "xx\u202e" + known[20:] + "x"

    with_them, without, both = scores(capsys, path, *files(mixed, known))

    assert with_them["perplexity"] == pytest.approx(without["perplexity"], rel=1e-6)
    assert [with_them[name] for name in ("characters", "scored", "unknown")] == [65, 59, 5]
    assert [both[name] for name in ("characters", "scored", "unknown")] == [125, 118, 5]
    assert evaluate(path, "0.txt") == 0
    assert "left out: 'x' (3), 'é' (1), '\\u202e' (1)\n" in capsys.readouterr().out


def test_the_total_weighs_every_character_alike(capsys: pytest.CaptureFixture[str]) -> None:
    first, second, total = scores(capsys, network(), *files(text(200), text(20, 1)))

    bits = [score["bits_per_character"] * score["scored"] for score in (first, second)]
    assert total["bits_per_character"] == pytest.approx(sum(bits) / (199 + 19))
    assert total["perplexity"] == pytest.approx(2 ** total["bits_per_character"])


def test_progress_counts_what_is_scored() -> None:
    found = load_network(network())
    texts = [measure.Text("a", found.vocab.to_indices(text(length)), {}) for length in (700, 40, 31, 3)]
    steps: list[int] = []

    scored = measure.measure(found.network, found.params, texts, num_rows=3, progress=steps.append)

    assert sum(steps) == sum(score.num_scored for score in scored) == 3 * (232 + 12 + 9) + 2


def test_a_standard_input_is_a_text_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = network()
    (name,) = files(text(50))

    for start in (b"", codecs.BOM_UTF8):
        stdin = io.TextIOWrapper(io.BytesIO(start + Path(name).read_bytes()), "ascii")
        monkeypatch.setattr(sys, "stdin", stdin)
        assert figures(scores(capsys, path, "-")) == figures(scores(capsys, path, name))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff")))
    assert "is not UTF-8 text" in refusal([path, "-"], capsys, command)


def test_the_records_of_a_jsonl_are_texts_of_the_field_that_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, (one, other) = network(), (text(30), text(20, seed=1))
    lines = [json.dumps({"id": k, "body": body}, ensure_ascii=False) for k, body in enumerate((one, other))]
    Path("poems.jsonl").write_text("\n".join(lines), "utf-8")
    expected = scores(capsys, path, *files(one, other))

    measured = scores(capsys, path, "poems.jsonl", "--field", "body")

    assert [each["text"] for each in measured[:2]] == ["poems.jsonl:1", "poems.jsonl:2"]
    assert [each["perplexity"] for each in measured] == [each["perplexity"] for each in expected]
    assert "--field NAME" in refusal([path, "poems.jsonl"], capsys, command)
    assert "no field 'text'" in refusal([path, "poems.jsonl", "--field=text"], capsys, command)


def test_a_text_that_is_no_utf_8_is_read_in_the_encoding_that_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, (name,) = network(), files(text(50))
    Path("gbk.txt").write_bytes(Path(name).read_text("utf-8").encode("gbk"))
    expected, _ = scores(capsys, path, name)

    assert "(--encoding gbk)" in refusal([path, "gbk.txt"], capsys, command)
    assert scores(capsys, path, "gbk.txt", "--encoding=gbk")[0] == {**expected, "text": "gbk.txt"}
    assert "'gbq' is unknown" in refusal([path, name, "--encoding=gbq"], capsys, command)


def test_line_ends_are_what_they_were_in_the_corpus(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    content = Path("corpus.txt").read_text("utf-8")[:80]

    for lines in ("keep", "space"):
        small = ["--corpus", "corpus.txt", "--epochs", 1, "--out", lines]
        assert run_small(*small, "--lines", lines) == 0
    broken = files(content.replace(" ", "\r\n"))

    assert scores(capsys, "keep", *broken)[0]["unknown"] == content.count(" ")
    spaces, whole, _ = scores(capsys, "space", *broken, "corpus.txt")
    assert (spaces["unknown"], spaces["characters"], whole["unknown"]) == (0, len(content), 0)


# --- which network, and its held-out text ---


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus, and a run in runs/ that did better on its held-out text than it ends."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("corpus.txt").write_text(text(600, 5, "aab bc d"), "utf-8")
        rest = ["--epochs", 14, "--lr", 0.1, "--heldout", 0.3, "--out", "runs/a"]
        assert run_small("--corpus", "corpus.txt", *rest) == 0
    return folder


@pytest.fixture
def run(trained: Path) -> str:
    """Copies of them in the current folder, which is another one."""
    shutil.copytree(trained / "runs", "runs")
    shutil.copy(trained / "corpus.txt", ".")
    return "runs/a"


def test_with_as_many_rows_the_figures_are_those_of_train(
    run: str, capsys: pytest.CaptureFixture[str]
) -> None:
    heldout = [pair[1] for pair in perplexities(run)]
    assert min(heldout) < 0.99 * heldout[-1]

    for flags, figure in (([], min(heldout)), (["--best"], min(heldout)), (["--last"], heldout[-1])):
        assert figures(scores(capsys, "--rows", 4, *flags)) == pytest.approx([figure] * 2, rel=1e-5)


def test_without_a_text_it_is_the_heldout_one_read_in_one_go(
    run: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("tail.txt").write_text(Path("corpus.txt").read_text("utf-8")[420:], "utf-8")

    assert figures(scores(capsys, run)) == pytest.approx(figures(scores(capsys, run, "tail.txt")), rel=1e-6)


@pytest.mark.parametrize("flag", ["--best", "--last"])
def test_an_exported_file_has_the_figures_of_its_run(
    run: str, flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export.main([run, flag, "--out", "a.safetensors"]) == 0

    assert scores(capsys, "a.safetensors", "corpus.txt") == scores(capsys, run, "corpus.txt", flag)


def test_a_heldout_text_that_is_no_more_is_asked_for(
    run: str, trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original = trained / "corpus.txt"
    content = original.read_text("utf-8")
    try:
        original.write_text(content[:-1] + "?", "utf-8")
        assert "corpus.txt is not the text that runs/a was trained on" in refusal([run], capsys, command)
        original.unlink()
        assert "the corpus of runs/a cannot be read again: " in refusal([run], capsys, command)
    finally:
        original.write_text(content, "utf-8")
    assert evaluate(run) == 0
    assert "does not say what it was trained on" in refusal([network()], capsys, command)
    assert run_small("--epochs", 1, "--heldout", 0, "--out", "b") == 0
    assert "b was trained on all of its corpus" in refusal(["b"], capsys, command)


# --- what is shown, and what is refused ---


def test_the_table_is_aligned_and_says_which_network_it_is(
    run: str, capsys: pytest.CaptureFixture[str]
) -> None:
    strange = "歌\n\x1b[2J.txt"
    Path(strange).write_text(Path("corpus.txt").read_text("utf-8")[:9] + "?" * 1234, "utf-8")
    capsys.readouterr()

    assert evaluate(run, "corpus.txt", strange) == 0

    title, header, *rows, note = capsys.readouterr().out.splitlines()
    assert re.fullmatch(rf"{run}: epoch \d+, best held-out [\d.]+", title)
    assert header.split() == ["perplexity", "bits/character", "characters", "scored", "unknown", "text"]
    assert [row.split()[2:] for row in rows] == [
        ["600", "599", "0", "corpus.txt"],
        ["1,243", "8", "1,234", "歌\\n\\x1b[2J.txt"],
        ["1,843", "607", "1,234", "total"],
    ]
    ends = [[found.end() for found in re.finditer(r"\S+", line)][:-1] for line in (header, *rows)]
    assert ends == [ends[0]] * 4
    assert note == "unknown to the network and left out: '?' (1,234)"


def test_a_text_that_cannot_be_measured_harms_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    path = network()
    (whole,) = files(text(40))
    before = scores(capsys, path, whole)[0]
    wrong = {
        "no.txt": None,
        "empty.txt": b"",
        "one.txt": b"a",
        "foreign.txt": b"xyz",
        "bytes.txt": b"a\xff\0",
    }
    for name, data in wrong.items():
        if data is not None:
            Path(name).write_bytes(data)

    assert evaluate(path, *wrong, whole, "--json") == 2

    out, err = capsys.readouterr()
    assert json.loads(out)["texts"] == [before]
    assert len(err.splitlines()) == len(wrong)
    assert all(f"'{name}'" in err for name in wrong)
    assert all(f"'{name}'" in refusal([path, name], capsys, command) for name in wrong)


def test_figures_are_right_for_what_was_learnt_by_heart_and_for_a_hopeless_network(
    run: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names = files(text(40, chars="bcd"))
    path = network(W_hy=0, b_y=0)
    assert figures(scores(capsys, path, *names)) == pytest.approx([len(CHARS)] * 2, rel=1e-7)
    shift = np.zeros(len(CHARS))
    shift[CHARS.index("a")] = 14
    learnt, _ = scores(capsys, network(W_hy=0, b_y=shift), *files("a" * 40))
    almost_0 = math.log1p(10 * math.exp(-14)) / math.log(2)
    assert learnt["bits_per_character"] == pytest.approx(almost_0, rel=1e-6)
    shift[CHARS.index("a")] = 1e4
    path = network(W_hy=0, b_y=shift)
    found = scores(capsys, path, *files(text(40, chars="bcd")))
    assert figures(found) == [None, None]
    assert found[0]["bits_per_character"] == pytest.approx(1e4 / math.log(2))
    assert evaluate(path, "0.txt") == 0
    assert " inf " in capsys.readouterr().out

    _, arrays, facts, _ = load_newest(Path(run) / "checkpoints")
    arrays["b_y"][0] = float("nan")
    save_next(Path(run) / "checkpoints", arrays, facts)
    assert evaluate(run, "--last", "corpus.txt") == 1
    assert "not finite" in capsys.readouterr().err


def test_flags_and_texts_may_come_in_any_order(capsys: pytest.CaptureFixture[str]) -> None:
    path, names = network(), files(text(40), text(30))

    mixed = scores(capsys, "--rows", 2, path, "--ctx", "cpu", names[0], names[1])

    assert mixed == scores(capsys, path, *names, "--rows", "2")


# --- the name, which lesson 9 has had first ---


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "import d2lrnn.evaluate, d2lrnn.training",
        "import d2lrnn.training, d2lrnn.evaluate",
        "from d2lrnn.evaluate import main; from d2lrnn import evaluate",
        "from d2lrnn import evaluate; import d2lrnn.evaluate; assert evaluate is d2lrnn.evaluate",
        "import d2lrnn.evaluate as evaluate, d2lrnn; assert evaluate is d2lrnn.evaluate",
        "import importlib, d2lrnn; importlib.reload(importlib.import_module('d2lrnn.evaluate'))",
        "import d2lrnn.__main__; sys.argv[1:] = ['evaluate', '--help']\n"
        "try: d2lrnn.__main__.main()\n"
        "except SystemExit: pass",
    ],
)
def test_the_name_is_that_of_lesson_9_and_the_command_is_found_by_its_path(code: str) -> None:
    checks = """
import importlib, inspect, pickle
import d2lrnn
command, lesson = (importlib.import_module(f"d2lrnn.{name}") for name in ("evaluate", "training"))
assert callable(d2lrnn.evaluate) and d2lrnn.evaluate is lesson.evaluate is d2lrnn.training.evaluate
assert pickle.loads(pickle.dumps(d2lrnn.evaluate)) is d2lrnn.evaluate
assert pickle.loads(pickle.dumps(command.main)) is command.main is sys.modules["d2lrnn.evaluate"].main
assert command.PROG == "python -m d2lrnn.evaluate" and command is not d2lrnn.evaluate
from d2lrnn import evaluate
assert evaluate is lesson.evaluate
"""
    code = f"import sys\n{code}\n{checks}"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_command_answers_before_mxnet_is_loaded() -> None:
    code = "import sys, d2lrnn.evaluate\n"
    code += "try: sys.modules['d2lrnn.evaluate'].main(['--help'])\n"
    code += "except SystemExit as error: print('mxnet' in sys.modules, error.code)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert ended.stdout.splitlines()[-1] == "False 0"


MODULES = sorted(path.stem for path in Path(d2lrnn.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("name", [name for name in MODULES if name in d2lrnn.LESSON_OF])
def test_a_submodule_never_takes_the_name_of_a_function(name: str) -> None:
    module = import_module(f"d2lrnn.{name}")

    assert getattr(d2lrnn, name) is getattr(import_module(f"d2lrnn.{d2lrnn.LESSON_OF[name]}"), name)
    assert sys.modules[f"d2lrnn.{name}"] is module is not getattr(d2lrnn, name)


# --- while it learns from what it reads ---


def refrains(length: int) -> str:
    """A text that repeats itself."""
    verses = [text(12, seed) for seed in range(4)]
    return "".join(verses[k] for k in np.random.default_rng(0).integers(4, size=length // 12))


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "layers"), [("rnn", 1), ("lstm", 2)])
def test_adaptively_it_does_better_on_what_repeats_itself_and_each_text_begins_anew(
    cell: str, layers: int, capsys: pytest.CaptureFixture[str]
) -> None:
    path, names = network(cell, layers), files(refrains(480), text(60, 9) + "é")
    before = Path(path).read_bytes()
    fixed = scores(capsys, path, *names)

    first, second, total = scores(capsys, path, *names, "--adaptive")

    assert first["perplexity"] < 0.6 * fixed[0]["perplexity"]
    for count in ("characters", "scored", "unknown"):
        assert [each[count] for each in (first, second, total)] == [each[count] for each in fixed]
    assert scores(capsys, path, names[1], "--adaptive")[0] == second
    assert Path(path).read_bytes() == before


@pytest.mark.slow
def test_adaptively_no_character_is_scored_by_what_comes_later(capsys: pytest.CaptureFixture[str]) -> None:
    path, whole = network(), refrains(240)
    names = files(whole[:150], whole[:150] + whole[:150], whole[:150] + text(150, 3))

    short, *longer, _ = scores(capsys, path, *names, "--adaptive")

    chars = [len(whole[:150]) - 1, 299]
    nats = [score["bits_per_character"] * score["scored"] for score in (short, *longer)]
    assert [short["scored"], longer[0]["scored"]] == chars
    assert nats[1] - nats[0] < 0.5 * nats[0] < nats[2] - nats[0]  # the second half is known, or new


def test_adaptively_the_table_says_so_and_what_cannot_be_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, (name,) = network(), files(text(40))

    assert evaluate(path, name, "--adaptive") == 0
    assert capsys.readouterr().out.splitlines()[0] == f"{path}: adaptive"
    assert "--rows" in refusal([path, name, "--adaptive", "--rows=2"], capsys, command)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("d2lrnn.checks.memory", lambda: 100_000)
        assert name in refusal([path, name, "--adaptive"], capsys, command)
    fast = get_network("rnn")
    params = fast.get_params(len(CHARS), 4)
    params.b_h[:] = math.nan
    told: list[int] = []
    with pytest.raises(FloatingPointError, match="not finite"):
        measure_adaptively(fast, params, [measure.Text(name, np.arange(150) % 5, {})], told.append)
    assert not told  # at once, not when all has been read
