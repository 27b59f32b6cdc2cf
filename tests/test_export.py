"""A network in one file, under the names of the formulas; the web page writes with it what predict writes."""

import hashlib
import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from d2lrnn import Vocab, __version__, export, get_inputs, gru, init_gru_state, predict, train
from d2lrnn.checkpoint import load_newest
from d2lrnn.decoding import Choice, generate_batch
from d2lrnn.fast import get_network
from d2lrnn.formats.safetensors_file import write_network
from d2lrnn.running.settings import Settings

import numpy as np
import pytest
from browser import Page, chromium, served
from mxnet import nd
from safetensors import safe_open
from safetensors.numpy import load_file

from book import play

ROOT = Path(__file__).parent.parent
CHARS = " abcdefgh分开"
SMALL = shlex.split("--max-chars 3000 --hidden-dim 24 --batch-size 8 --num-steps 10 --epochs 4")


def some_network(cell: str, layers: int, path: Path | None = None, hidden_dim: int = 7) -> Any:
    """(settings, vocab, params): gates half open, states not forgotten; written to path if there is one."""
    settings = Settings(cell=cell, layers=layers, hidden_dim=hidden_dim, prefix=("b", "ab"))
    vocab = Vocab(CHARS)
    params = get_network(cell, layers).get_params(len(vocab), hidden_dim)
    rng = np.random.default_rng(0)
    for param in params:
        param[:] = nd.array(rng.normal(scale=len(param) ** -0.5, size=param.shape))
    if path:
        write_network(path, settings, vocab, params)
    return settings, vocab, params


@pytest.fixture(scope="module", params=["rnn 1", "gru 1", "lstm 2"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, and its network.safetensors."""
    folder = tmp_path_factory.mktemp("exported")
    cell, layers = request.param.split()
    run = ["--cell", cell, "--layers", layers, "--lr", "0.02", "--out", str(folder / "run")]
    assert train.main([*SMALL, *run]) == 0
    assert export.main([str(folder / "run"), "--out", str(folder / "network.safetensors")]) == 0
    return folder


@pytest.mark.slow
def test_the_file_holds_the_weights_under_the_names_of_the_formulas(exported: Path) -> None:
    _, arrays, facts, _ = load_newest(exported / "run/best")

    with safe_open(exported / "network.safetensors", framework="numpy") as file:
        metadata = file.metadata()
        assert {"W_hy", "b_y"} < set(file.keys()) == arrays.keys()
        for name in file.keys():  # noqa: SIM118
            assert file.get_tensor(name).tobytes() == arrays[name].asnumpy().tobytes()
    assert metadata["chars"] == facts["chars"]
    assert int(metadata["hidden_dim"]) == 24


def test_a_mistake_is_answered_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export.main([str(tmp_path / "nowhere")]) == 2
    assert "nowhere is not a run directory" in capsys.readouterr().err


@pytest.mark.slow
def test_a_file_that_cannot_be_written_is_named(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export.main([str(exported / "run"), "--out", str(exported / "no/such/folder")]) == 2
    assert "no/such" in capsys.readouterr().err


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("layers", [1, 2])
def test_a_few_lines_of_numpy_read_the_file(cell: str, layers: int, tmp_path: Path) -> None:
    _, _, params = some_network(cell, layers, tmp_path / "a")

    data = (tmp_path / "a").read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__")
    arrays = {
        name: np.frombuffer(data[8 + length :][slice(*entry["data_offsets"])], "<f4").reshape(entry["shape"])
        for name, entry in header.items()
    }

    assert length % 8 == 0  # the arrays lie where a program may map them into memory
    assert list(arrays) == list(params._fields)
    for name, array in load_file(tmp_path / "a").items():
        assert (arrays[name] == array).all() and (array == getattr(params, name).asnumpy()).all()
    digits = metadata.pop("sha256")
    assert hashlib.sha256(data.replace(digits.encode(), b"0" * 64)).hexdigest() == digits
    assert metadata == {
        "cell": cell,
        "layers": str(layers),
        "hidden_dim": "7",
        "chars": CHARS,
        "prefix": "b\nab",
        "prefixes": '["b", "ab"]',
        "d2lrnn": __version__,
    }


def test_the_same_network_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        some_network("lstm", 2, tmp_path / name)

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def readme_block(beginning: str) -> str:
    """The block of Python in the README that begins so."""
    (block,) = re.findall(
        rf"```python\n({beginning}.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.S
    )
    return block


def test_the_lines_of_the_readme_read_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, params = some_network("rnn", 1, tmp_path / "network.safetensors")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}

    exec(compile(readme_block("from safetensors"), "README.md", "exec"), names)

    assert (names["arrays"]["W_xh"] == params.W_xh.asnumpy()).all()
    assert names["chars"] == CHARS


def test_help_names_every_array_of_every_cell(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="0"):
        export.main(["--help"])

    shown = capsys.readouterr().out
    assert {"W_xh", "W_hz", "b_r", "W_xi", "W_hy", "b_y", "W_xh_2", "sha256", "chars"} <= set(
        re.findall(r"\w+", shown)
    )


def test_a_network_with_nan_is_not_exported(tmp_path: Path) -> None:
    settings, vocab, params = some_network("gru", 1)
    params.b_r[3] = float("nan")

    with pytest.raises(ValueError, match="b_r holds NaN or infinity"):
        write_network(tmp_path / "a", settings, vocab, params)
    assert not (tmp_path / "a").exists()


# --- onnx ---


def ort_session(path: Path) -> Any:
    """onnxruntime on a file, with one thread."""
    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def states_of(network: Any, batch_size: int, hidden_dim: int) -> tuple[nd.NDArray, ...]:
    rng = np.random.default_rng(1)
    zeros = network.init_state(batch_size, hidden_dim)
    return tuple(nd.array(rng.uniform(-1, 1, S.shape)) for S in zeros)


def assert_close(found: np.ndarray, wanted: nd.NDArray) -> None:
    """rel 1e-4, and for what is almost 0 the same of the largest."""
    expected = wanted.asnumpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("hidden_dim", [1, 7, 40])
def test_onnxruntime_computes_our_logits_and_states(
    cell: str, layers: int, hidden_dim: int, tmp_path: Path
) -> None:
    pytest.importorskip("onnx")
    from d2lrnn.formats.onnx_file import write_onnx

    settings, vocab, params = some_network(cell, layers, hidden_dim=hidden_dim)
    write_onnx(tmp_path / "a.onnx", settings, vocab, params)
    session = ort_session(tmp_path / "a.onnx")
    network = get_network(cell, layers)
    names = [value.name for value in session.get_inputs()]
    letters = ["H", "C"] if cell == "lstm" else ["H"]
    assert names == ["indices", *letters, *([f"{letter}_2" for letter in letters] if layers == 2 else [])]
    assert [value.name for value in session.get_outputs()] == [
        "logits",
        *(f"new_{name}" for name in names[1:]),
    ]

    for num_steps, batch_size in ((1, 1), (9, 4), (2, 1)):
        indices = np.random.default_rng(2).integers(0, len(vocab), (num_steps, batch_size))
        state = states_of(network, batch_size, hidden_dim)
        (wanted,), new_state = network.rnn(nd.array(indices, dtype="int32"), state, params)

        inputs = dict(zip(names, [indices, *(S.asnumpy() for S in state)]))
        logits, *found = session.run(None, inputs)

        assert logits.shape == (num_steps * batch_size, len(vocab))
        assert_close(logits, wanted)
        assert len(found) == len(new_state)
        for S, expected in zip(found, new_state):
            assert_close(S, expected)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_the_graph_is_valid_and_says_what_it_is(cell: str, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    from d2lrnn.formats.onnx_file import write_onnx

    write_onnx(tmp_path / "a.onnx", *some_network(cell, 2))

    model = onnx.load(tmp_path / "a.onnx")
    onnx.checker.check_model(model, full_check=True)
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert (facts["cell"], facts["layers"], facts["hidden_dim"], facts["chars"]) == (cell, "2", "7", CHARS)
    (opset,) = model.opset_import
    assert (opset.domain, opset.version) == ("", 14)


@pytest.mark.slow
def test_the_lines_of_the_readme_write_with_onnxruntime_what_predict_writes(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    assert export.main([str(exported / "run"), "--onnx"]) == 0
    capsys.readouterr()
    exec(compile(readme_block("import json"), "README.md", "exec"), {})
    text = capsys.readouterr().out
    predict.main([str(exported / "run"), "--length", "50", "--temperature", "0"])

    heading, first, *_ = capsys.readouterr().out.splitlines(keepends=True)
    assert (heading[:6], text) == ("--- 1:", first)


def test_an_index_beyond_the_vocabulary_is_an_error(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from d2lrnn.formats.onnx_file import write_onnx

    write_onnx(tmp_path / "a.onnx", *some_network("rnn", 1))
    session = ort_session(tmp_path / "a.onnx")

    with pytest.raises(Exception, match="out of data bounds"):  # its class is onnxruntime's own
        session.run(None, {"indices": np.array([[len(CHARS)]]), "H": np.zeros((1, 7), np.float32)})


def test_a_network_too_large_for_onnx_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    from d2lrnn.formats import onnx_file

    monkeypatch.setattr(onnx_file, "MAX_BYTES", 500)

    with pytest.raises(ValueError, match="ONNX takes 500 at most"):
        onnx_file.write_onnx(tmp_path / "a.onnx", *some_network("rnn", 1))


def test_without_the_package_onnx_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    some_network("rnn", 1, tmp_path / "a")
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "d2lrnn.formats.onnx_file", raising=False)

    assert export.main([str(tmp_path / "a"), "--onnx", "--out", str(tmp_path / "a.onnx")]) == 2

    err = capsys.readouterr().err
    assert "--onnx needs the package onnx" in err and "pip install onnx" in err
    assert err.count("\n") == 1


# --- the web page ---


@pytest.fixture(scope="module")
def page(exported: Path) -> Iterator[Page]:
    with playing(exported) as page:
        yield page


@contextmanager
def playing(folder: Path) -> Iterator[Page]:
    """The page to play with, alone on a page, in headless Chromium, with network.safetensors in folder."""
    for name in ("play.js", "play.css"):
        shutil.copy(ROOT / "book/static" / name, folder)
    play.write_script(folder / "network.js", (folder / "network.safetensors").read_bytes())
    (folder / "index.html").write_text(
        '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">'
        '<link rel="stylesheet" href="play.css"><script defer src="play.js"></script>'
        '<div class="play" data-language="en" data-delay="0" '
        """data-networks='[["network.js", "a network", ""], ["missing.js", "another", ""]]'></div>"""
    )
    with served(folder) as address, chromium() as page:
        page.open(f"{address}/index.html")
        page.wait(
            lambda: page.evaluate("document.querySelector('.play').dataset.state") == "ready", "the network"
        )
        yield page


def write(page: Page, prefix: str, length: int) -> None:
    """Fill the form in and press the button."""
    for name, value in (("prefix", prefix), ("length", str(length)), ("temperature", "0")):
        page.evaluate(f"document.getElementById('play-{name}').value = {json.dumps(value)}")
    page.evaluate("document.getElementById('play-write').click()")


@pytest.mark.slow
def test_the_web_page_writes_what_predict_writes(
    page: Page, exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prefix = json.loads((exported / "run/config.json").read_text(encoding="utf-8"))["prefix"][0]
    capsys.readouterr()
    predict.main([str(exported / "run"), "--prefix", prefix, "--length", "60", "--temperature", "0"])
    expected = capsys.readouterr().out.rstrip("\n")

    write(page, prefix, 60)
    text = "document.getElementById('play-text').textContent"
    page.wait(lambda: len(page.evaluate(text)) >= len(expected), "the text")

    assert page.evaluate(text) == expected
    colours = "document.querySelector('canvas').getContext('2d').getImageData(0, 0, 9, 24).data"
    assert page.evaluate(f"Array.from({colours}).some((value) => value > 0)")
    assert page.troubles == []


@pytest.mark.slow
def test_the_web_page_reads_and_shows_lines(tmp_path: Path) -> None:
    vocab, network = Vocab("\nabcdef"), get_network("gru")
    params = network.get_params(len(vocab), 7)
    rng = np.random.default_rng(35)
    for param in params:
        param[:] = nd.array(rng.normal(scale=1.5, size=param.shape))
    settings = Settings(cell="gru", hidden_dim=7, prefix=("a\nb\n",))
    write_network(tmp_path / "network.safetensors", settings, vocab, params)
    (expected,) = generate_batch(["a\nb\n"], 60, network.writer(params), vocab, Choice(temperature=0))
    assert expected.count("\n") > 5

    with playing(tmp_path) as page:
        assert page.evaluate("document.getElementById('play-temperature').value") == "0.8"
        page.evaluate("document.getElementById('play-prefix').focus()")
        for key, text in (("a", "a"), ("Enter", "\r"), ("b", "b"), ("Enter", "\r")):
            page.send("Input.dispatchKeyEvent", type="keyDown", key=key, text=text)
            page.send("Input.dispatchKeyEvent", type="keyUp", key=key)
        assert page.evaluate("document.getElementById('play-prefix').value") == "a\nb\n"
        write(page, "a\nb\n", 60)
        text = "document.getElementById('play-text')"
        page.wait(lambda: len(page.evaluate(f"{text}.textContent")) >= len(expected), "the text")

        assert page.evaluate(f"{text}.textContent") == expected
        assert page.evaluate(f"{text}.innerText").rstrip("\n") == expected.rstrip("\n")
        write(page, "a\tb", 5)
        assert r'has never met "\t".' in page.evaluate("document.getElementById('play-message').textContent")


@pytest.mark.slow
def test_where_lines_were_spaces_the_web_page_takes_a_line_end_for_one_and_enter_writes(page: Page) -> None:
    text = "document.getElementById('play-text').textContent"
    write(page, "我\n我", 1)
    page.wait(lambda: len(page.evaluate(text)) == 4, "the text")
    assert page.evaluate(text).startswith("我 我")

    page.evaluate("document.getElementById('play-prefix').value = '我'")
    page.evaluate("document.getElementById('play-prefix').focus()")
    page.send("Input.dispatchKeyEvent", type="keyDown", key="Enter", text="\r")
    page.wait(lambda: len(page.evaluate(text)) == 2, "the text")
    assert page.evaluate(text).startswith("我")


@pytest.mark.slow
def test_the_web_page_names_characters_that_the_network_does_not_know(page: Page) -> None:
    message = "document.getElementById('play-message').textContent"

    write(page, "€😀", 5)
    assert "The network has never met € 😀." in page.evaluate(message)

    write(page, "", 5)
    assert "at least one character" in page.evaluate(message)


@pytest.mark.slow
def test_the_web_page_shows_what_the_network_finds_likely_next_and_the_characters_over_the_columns(
    tmp_path: Path,
) -> None:
    _, vocab, params = some_network("gru", 1, tmp_path / "network.safetensors")
    with playing(tmp_path) as page:
        page.evaluate("document.getElementById('play-prefix').value = '分开 a'")
        page.evaluate("document.getElementById('play-length').value = 3")
        page.evaluate("document.getElementById('play-temperature').value = 1")
        page.evaluate("document.getElementById('play-write').click()")
        is_ready = "document.querySelector('.play').dataset.state === 'ready'"
        page.wait(lambda: page.evaluate(is_ready), "the text")
        text = page.evaluate("document.getElementById('play-text').textContent")
        letters = page.evaluate("document.querySelector('.play-letters').textContent")
        shown = page.evaluate("[...document.querySelectorAll('#play-next li')].map((one) => one.textContent)")

    inputs = get_inputs(nd.array([vocab.encode(text)], dtype="int32"), len(vocab))
    outputs, _ = gru(inputs, init_gru_state(1, 7), params)
    p = nd.softmax(outputs[-1])[0].asnumpy()
    assert len(text) == 7
    assert letters == text.replace(" ", "␣")
    assert "".join(line[0] for line in shown).replace("␣", " ") == vocab.decode((-p).argsort()[:6].tolist())
    for line in shown:
        assert float(line[1:-2]) == pytest.approx(
            100 * p[vocab.char_to_idx[line[0].replace("␣", " ")]], abs=0.51
        )
    assert float(shown[0][1:-2]) == pytest.approx(100 * p.max(), abs=0.51)


@pytest.mark.slow
def test_under_an_error_nothing_of_an_earlier_text_stays(tmp_path: Path) -> None:
    some_network("rnn", 1, tmp_path / "network.safetensors")
    hidden = "document.querySelector('.play > div').hidden"
    with playing(tmp_path) as page:
        assert page.evaluate(hidden), "an empty box"
        write(page, "分", 3)
        length = "document.getElementById('play-text').textContent.length"
        page.wait(lambda: page.evaluate(length) == 4, "the text")
        assert not page.evaluate(hidden)
        write(page, "€", 3)
        assert page.evaluate(hidden) and page.evaluate(length) == 0

        page.evaluate(
            "{ const which = document.getElementById('play-network'); which.value = 1; "
            "which.dispatchEvent(new Event('change')); }"
        )
        message = "document.getElementById('play-message').textContent"
        page.wait(lambda: "could not be loaded (missing.js)" in page.evaluate(message), "the message")
        assert page.evaluate(hidden) and page.evaluate("document.getElementById('play-write').disabled")


@pytest.mark.slow
def test_a_chinese_input_method_can_type_the_prefix(page: Page) -> None:
    page.evaluate("Object.assign(document.getElementById('play-prefix'), { value: '' }).focus()")
    page.send("Input.imeSetComposition", text="fenkai", selectionStart=6, selectionEnd=6)
    page.send("Input.insertText", text="分开")

    assert page.evaluate("document.getElementById('play-prefix').value") == "分开"
    assert page.evaluate("document.querySelector('.play').dataset.state") == "ready"
