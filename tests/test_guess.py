"""The game of the page to play with: it scores the reader and the network by what they gave to what came."""

import math
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from d2lrnn import Vocab, get_gru_params, get_inputs, gru, init_gru_state
from d2lrnn.formats.safetensors_file import write_network
from d2lrnn.running.settings import Settings

import numpy as np
import pytest
from browser import Page, chromium, served
from mxnet import nd

from book import play

ROOT = Path(__file__).parent.parent
TEXT, START, HIDDEN_DIM = "fade bad cafe 分开 deaf face ace " * 3, 44, 7  # 40 characters are read before it
COUNTS = [9, 0, 4, 1, 8, 3, 6, 2, 5]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def logits(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """What a network says after each character from 40 before the start on, computed by lesson 11."""
    vocab, params = Vocab(TEXT), get_gru_params(9, HIDDEN_DIM)
    rng = np.random.default_rng(3)
    for param in params:
        param[:] = nd.array(rng.normal(scale=0.9, size=param.shape))
    write_network(
        tmp_path_factory.getbasetemp() / "n", Settings(cell="gru", hidden_dim=HIDDEN_DIM), vocab, params
    )
    indices = nd.array([vocab.encode(TEXT[START - 40 :])], dtype="int32")
    outputs, _ = gru(get_inputs(indices, 9), init_gru_state(1, HIDDEN_DIM), params)
    return np.concatenate([Y.asnumpy() for Y in outputs]).astype(float)


@pytest.fixture(scope="module")
def page(logits: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp("game")
    shutil.copy(tmp_path_factory.getbasetemp() / "n", folder / "network.safetensors")
    with playing(folder) as page:
        yield page


@contextmanager
def playing(folder: Path, text: str = TEXT, start: int = START) -> Iterator[Page]:
    for name in ("play.js", "guess.js", "play.css"):
        shutil.copy(ROOT / "book/static" / name, folder)
    network = (folder / "network.safetensors").read_bytes()
    play.write_script(folder / "game.js", network, {"text": text, "counts": COUNTS})
    (folder / "index.html").write_text(
        '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">'
        '<link rel="stylesheet" href="play.css">'
        '<script defer src="play.js"></script><script defer src="guess.js"></script>'
        f'<div class="guess" data-language="en" data-start="{start}" data-game="game.js"></div>'
    )
    with served(folder) as address, chromium() as page:
        page.open(f"{address}/index.html")
        page.wait(lambda: is_ready(page), "the game")
        yield page


def is_ready(page: Page) -> bool:
    return page.evaluate("document.querySelector('.guess')?.dataset.state") == "ready"


def element(name: str, what: str = "textContent") -> str:
    return f"document.getElementById('guess-{name}').{what}"


def guess(page: Page, typed: str | None, sure: int = 50) -> None:
    """Type, say how sure, and press Enter; or press the button of somebody without an idea."""
    page.evaluate(f"{element('sure', 'value')} = {sure}")
    if typed is None:
        page.evaluate(element("none", "click()"))
        return
    page.evaluate(f"{element('char', 'value')} = ''; {element('char', 'focus()')}")
    page.send("Input.insertText", text=typed)
    page.send("Input.dispatchKeyEvent", type="keyDown", key="Enter", text="\r")
    page.send("Input.dispatchKeyEvent", type="keyUp", key="Enter")


def table(page: Page, name: str) -> list[list[str]]:
    cells = "Array.from(row.cells, (cell) => cell.textContent)"
    return page.evaluate(f"Array.from({element(name, 'rows')}, (row) => {cells})")


def wait_for_answer(page: Page, number: int) -> None:
    page.wait(lambda: len(table(page, "turns")) == number + 1, "the answer")  # below the headings


def is_said(page: Page, said: str) -> bool:
    return said in page.evaluate("document.getElementById('guess-message')?.textContent ?? ''")


def again(page: Page) -> None:
    page.evaluate("location.reload()")
    page.forget()
    page.wait(lambda: page.loaded, "the page again")
    page.wait(lambda: is_ready(page), "the game")


def percent(text: str) -> float:
    return float(re.fullmatch(r"(\S+) %", text)[1]) / 100  # type: ignore[index]


def test_both_are_scored_by_the_probability_that_they_gave_to_what_came(
    page: Page, logits: np.ndarray
) -> None:
    again(page)
    vocab, f = Vocab(TEXT), (np.array(COUNTS) + 1) / (sum(COUNTS) + 9)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    came = [vocab.char_to_idx[char] for char in TEXT[START : START + 6]]
    assert TEXT[START : START + 6] == " 分开 de"
    said: list[tuple[str | None, int]] = [(" ", 80), ("d", 90), (None, 50), ("a", 30), ("d", 99), ("开", 10)]

    readers = []
    for k, (typed, sure) in enumerate(said):
        guess(page, typed, sure)
        wait_for_answer(page, k + 1)
        g, s, x = None if typed is None else vocab.char_to_idx[typed], sure / 100, came[k]
        readers.append(f[x] if g is None else s if g == x else (1 - s) * f[x] / (1 - f[g]))
        it_was, you, gave, first, network, rank = table(page, "turns")[1]
        assert (it_was, you) == (
            ("␣" if TEXT[START + k] == " " else TEXT[START + k]),
            {None: "–", " ": "␣"}.get(typed, typed),
        )
        assert percent(gave) == pytest.approx(readers[k], rel=6e-3)
        assert percent(network) == pytest.approx(p[39 + k, x], rel=6e-3)
        assert int(rank) == 1 + (p[39 + k] > p[39 + k, x]).sum()
        assert first.replace("␣", " ") == vocab.idx_to_char[int(p[39 + k].argmax())]

    def perplexity(ps: Any) -> float:
        return math.exp(-np.log(ps).mean())

    _, (_, mine, you), (_, hits, network), (_, _, counts) = table(page, "scores")
    assert mine == "2 of 6"
    assert hits == f"{(p[39:45].argmax(axis=1) == came).sum()} of 6"
    assert float(you) == pytest.approx(perplexity(readers), rel=6e-3)
    assert float(network) == pytest.approx(perplexity(p[np.arange(39, 45), came]), rel=6e-3)
    assert float(counts) == pytest.approx(perplexity(f[came]), rel=6e-3)
    assert page.evaluate(element("text")) == TEXT[START - 40 : START] + "␣分开␣de?"
    assert page.troubles == []


def test_what_a_reader_gives_to_all_characters_adds_up_to_one(page: Page) -> None:
    sums = page.evaluate(
        """[null, 0, 1, 3].map((guess) => {
             const f = guessing.frequencies([9, 0, 4, 1]);
             return f.reduce((sum, _, x) => sum + guessing.share(f, x, guess, 0.3), 0);
           })"""
    )

    assert sums == pytest.approx([1] * 4)


def test_only_a_guess_that_could_be_right_is_counted_and_the_rest_of_a_word_stays(page: Page) -> None:
    again(page)
    for typed, said in (("", "one character"), ("€", "€ does not occur")):
        guess(page, typed)
        page.wait(partial(is_said, page, said), "why not")
        assert table(page, "turns") == [[]]

    guess(page, " 分开")
    wait_for_answer(page, 1)
    assert page.evaluate(element("char", "value")) == "分开"
    guess(page, "开开")
    wait_for_answer(page, 2)
    assert page.evaluate(element("char", "value")) == ""


def test_an_input_method_composes_the_guess(page: Page) -> None:
    again(page)
    page.evaluate(element("char", "focus()"))
    page.send("Input.imeSetComposition", text="fen", selectionStart=3, selectionEnd=3)
    page.send("Input.insertText", text="分")

    assert page.evaluate(element("char", "value")) == "分"
    assert table(page, "turns") == [[]]


def test_the_game_ends_with_the_text_and_another_passage_begins_it_anew(
    logits: Any, tmp_path_factory: Any
) -> None:
    folder = tmp_path_factory.mktemp("short")
    shutil.copy(tmp_path_factory.getbasetemp() / "n", folder / "network.safetensors")
    with playing(folder, start=len(TEXT) - 2) as page:
        for _ in range(2):
            assert not page.evaluate(element("submit", "disabled"))
            guess(page, None)
        assert page.evaluate(element("submit", "disabled")) and page.evaluate(element("none", "disabled"))
        assert is_said(page, "The text ends here")

        page.evaluate(element("other", "click()"))

        assert not page.evaluate(element("submit", "disabled"))
        shown = page.evaluate(element("text"))
        assert len(shown) == 41 and shown[:-1] in TEXT and shown[-2] == " "
        assert page.troubles == []


def test_a_game_without_its_script_says_so(tmp_path: Path) -> None:
    for name in ("play.js", "guess.js", "play.css"):
        shutil.copy(ROOT / "book/static" / name, tmp_path)
    (tmp_path / "index.html").write_text(
        '<!doctype html><script defer src="play.js"></script><script defer src="guess.js"></script>'
        '<div class="guess" data-language="en" data-game="game.js"></div>'
    )
    with served(tmp_path) as address, chromium() as page:
        page.open(f"{address}/index.html")
        page.wait(lambda: is_said(page, "could not be loaded (game.js)"), "the message")
        assert page.evaluate(element("submit", "disabled"))
