"""A network in one file, under the names of the formulas; the web page writes with it what predict writes."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Page, chromium, served
from safetensors import safe_open

from d2lrnn import export, predict, train
from d2lrnn.checkpoint import load_checkpoint

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow
SMALL = [
    "--max-chars",
    "3000",
    "--hidden-dim",
    "24",
    "--batch-size",
    "8",
    "--num-steps",
    "10",
    "--epochs",
    "4",
]


@pytest.fixture(scope="module", params=["rnn 1", "gru 1", "lstm 2"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, and its network.safetensors."""
    folder = tmp_path_factory.mktemp("exported")
    cell, layers = request.param.split()
    run = ["--cell", cell, "--layers", layers, "--lr", "0.02", "--out", str(folder / "run")]
    assert train.main([*SMALL, *run]) == 0
    assert export.main([str(folder / "run"), "--out", str(folder / "network.safetensors")]) == 0
    return folder


def test_the_file_holds_the_weights_under_the_names_of_the_formulas(exported: Path) -> None:
    arrays, facts = load_checkpoint(exported / "run/checkpoint.npz")

    with safe_open(exported / "network.safetensors", framework="numpy") as file:
        metadata = file.metadata()
        assert {"W_hy", "b_y"} < set(file.keys()) == {name for name in arrays if not name.startswith("adam_")}
        for name in file.keys():  # noqa: SIM118
            assert file.get_tensor(name).tobytes() == arrays[name].asnumpy().tobytes()
    assert metadata["chars"] == facts["chars"]
    assert int(metadata["hidden_dim"]) == 24


def test_a_mistake_is_answered_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export.main([str(tmp_path / "nowhere")]) == 2
    assert "nowhere is no run directory" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_named(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export.main([str(exported / "run"), "--out", str(exported / "no/such/folder")]) == 2
    assert "no/such" in capsys.readouterr().err


@pytest.fixture(scope="module")
def page(exported: Path) -> Iterator[Page]:
    """The page to play with, alone on a page, in headless Chromium."""
    for name in ("play.js", "play.css"):
        shutil.copy(ROOT / "book/static" / name, exported)
    (exported / "index.html").write_text(
        '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">'
        '<link rel="stylesheet" href="play.css"><script type="module" src="play.js"></script>'
        '<div class="play" data-language="en" data-prefix="" data-delay="0" '
        'data-network="network.safetensors"></div>'
    )
    with served(exported) as address, chromium() as page:
        page.open(f"{address}/index.html")
        page.wait(
            lambda: page.evaluate("document.querySelector('.play').dataset.state") == "ready", "the network"
        )
        yield page


def write(page: Page, prefix: str, length: int) -> None:
    """Fill the form in and press the button."""
    for name, value in (("prefix", prefix), ("length", str(length))):
        page.evaluate(f"document.getElementById('play-{name}').value = {json.dumps(value)}")
    page.evaluate("document.getElementById('play-write').click()")


def test_the_web_page_writes_what_predict_writes(
    page: Page, exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prefix = json.loads((exported / "run/config.json").read_text(encoding="utf-8"))["prefix"][0]
    capsys.readouterr()
    predict.main([str(exported / "run"), "--prefix", prefix, "--length", "60"])
    expected = capsys.readouterr().out.rstrip("\n")

    write(page, prefix, 60)
    text = "document.getElementById('play-text').textContent"
    page.wait(lambda: len(page.evaluate(text)) >= len(expected), "the text")

    assert page.evaluate(text) == expected
    colours = "document.querySelector('canvas').getContext('2d').getImageData(0, 0, 9, 24).data"
    assert page.evaluate(f"Array.from({colours}).some((value) => value > 0)")
    assert page.troubles == []


def test_the_web_page_names_characters_that_the_network_does_not_know(page: Page) -> None:
    message = "document.getElementById('play-message').textContent"

    write(page, "€😀", 5)
    assert "The network has never met € 😀." in page.evaluate(message)

    write(page, "", 5)
    assert "at least one character" in page.evaluate(message)


def test_a_chinese_input_method_can_type_the_prefix(page: Page) -> None:
    page.evaluate("Object.assign(document.getElementById('play-prefix'), { value: '' }).focus()")
    page.send("Input.imeSetComposition", text="fenkai", selectionStart=6, selectionEnd=6)
    page.send("Input.insertText", text="分开")

    assert page.evaluate("document.getElementById('play-prefix').value") == "分开"
    assert page.evaluate("document.querySelector('.play').dataset.state") == "ready"
