"""A run that begins with the weights of another: what it keeps, what is new, and what is refused."""

from __future__ import annotations

import functools
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from d2lrnn import export, predict, train
from d2lrnn.checkpoint import load_newest
from d2lrnn.running import run as run_module
from d2lrnn.running.directory import load_run

import numpy as np
import pytest
from small_run import SMALL, perplexities, weights
from test_resume import stop_after
from test_train_workers import train as train_in_a_process

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("empty_folder")]

OLD = "the quick brown fox jumps over it. " * 30
NEW = "éa Zebra, THE fox: quick! " * 30  # é, Z and others are new; p, v, m, … of OLD are not in it


def begin(*arguments: Any, text: str = NEW, epochs: int = 2, out: str = "b") -> int:
    """Train on a text of one's own."""
    Path(f"{out}.txt").write_text(text, encoding="utf-8")
    given = ["--corpus", f"{out}.txt", "--epochs", epochs, "--out", out, *arguments]
    return train.main([*SMALL, *map(str, given)])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder with a run "a" on OLD, of a kind of network; each is trained once."""

    @functools.cache
    def folder(kind: str) -> Path:
        folder = tmp_path_factory.mktemp("trained")
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            assert begin(*kind.split(), text=OLD, epochs=3, out="a") == 0
        return folder

    return folder


@pytest.fixture(params=["--cell rnn", "--cell lstm --layers 2", "--cell gru --optimizer sgd"])
def old(request: pytest.FixtureRequest, trained: Callable[[str], Path]) -> str:
    """A run on OLD, of each kind of network."""
    shutil.copytree(trained(request.param), ".", dirs_exist_ok=True)
    return "a"


@pytest.fixture
def small(trained: Callable[[str], Path]) -> str:
    """That of the first kind."""
    shutil.copytree(trained("--cell rnn"), ".", dirs_exist_ok=True)
    return "a"


def first(folder: str) -> tuple[dict[str, np.ndarray], str, dict[str, Any]]:
    """The weights with which a run begins, its characters, and what its config says; it is begun anew."""
    begun = load_newest(Path(folder) / "checkpoints")
    return {name: a.asnumpy() for name, a in begun[1].items()}, begun[2]["chars"], begun[2]["config"]


def only_begin(monkeypatch: pytest.MonkeyPatch, *arguments: Any, **named: Any) -> None:
    """A run that is stopped before its first batch."""
    with monkeypatch.context() as patch:
        patch.setattr(train, "_train", lambda run, *_: False)
        assert begin(*arguments, **named) == 0


def test_known_characters_keep_their_weights_and_new_ones_get_drawn_ones(
    old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_begin(monkeypatch, "--init", old)
    only_begin(monkeypatch, *flags_of(old), "--chars", OLD, out="fresh")

    ours, chars, _ = first("b")
    drawn, same_chars, _ = first("fresh")
    theirs = load_run(Path(old), best=True)
    assert chars == same_chars == "".join(sorted({*OLD, *NEW}))
    num_tables = 0
    for name, array in theirs.params._asdict().items():
        axes = [k for k in range(array.ndim) if ours[name].shape[k] != array.shape[k]]
        if not axes:
            assert np.array_equal(ours[name], array.asnumpy()), name
            continue
        num_tables += 1
        for index, char in enumerate(chars):
            row = ours[name].take(index, axes[0])
            if char in OLD:
                known = theirs.vocab.char_to_idx[char]
                assert np.array_equal(row, array.asnumpy().take(known, axes[0])), (name, char)
            else:
                assert np.array_equal(row, drawn[name].take(index, axes[0])), (name, char)
                assert name == "b_y" or row.any()
    assert num_tables == 2 + len([name for name in theirs.network.cell.names[:-2] if name[:3] == "W_x"])
    assert not any(array.any() for name, array in ours.items() if name.startswith("adam_"))


def flags_of(folder: str) -> list[str]:
    config = json.loads(Path(folder, "config.json").read_text("utf-8"))
    return [f"--{name}={config[name]}" for name in ("cell", "layers", "optimizer")]


def test_a_network_that_begins_on_the_same_text_is_as_good_as_it_was(old: str) -> None:
    assert begin("--init", old, "--lr", 1e-30, text=OLD, epochs=1) == 0  # so small that nothing changes

    best = load_newest(Path(old, "best"))[2]["heldout_perplexity"]
    assert perplexities("b")[0][1] == pytest.approx(best, rel=1e-6)


def test_the_best_is_taken_unless_the_last_is_asked_for(small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, arrays, facts, _ = load_newest(Path(small, "best"))
    for array in arrays.values():
        array[:] = 0.5
    shutil.rmtree(Path(small, "best"))
    run_module.save_next(Path(small, "best"), arrays, facts)

    only_begin(monkeypatch, "--init", small, text=OLD)
    only_begin(monkeypatch, "--init", small, "--init-last", text=OLD, out="last")

    assert all((first("b")[0][name] == 0.5).all() for name in arrays)
    assert first("last")[0]["W_hh"].tobytes() == weights(small)["W_hh"]
    sums = [first(folder)[2]["facts"]["init"]["sha256"] for folder in ("b", "last")]
    assert sums[0] != sums[1]


def test_a_run_without_heldout_text_gives_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    begin("--heldout", 0, text=OLD, out="a")
    only_begin(monkeypatch, "--init", "a", text=OLD)

    assert first("b")[0]["W_xh"].tobytes() == weights("a")["W_xh"]


def test_an_exported_file_begins_the_same_run_as_its_directory(old: str) -> None:
    assert export.main([old, "--best", "--out", "a.safetensors"]) == 0
    assert begin("--init", old) == begin("--init", "a.safetensors", out="c") == 0

    assert weights("b") == weights("c")
    sums = [first(folder)[2]["facts"]["init"]["sha256"] for folder in "bc"]
    assert sums[0] == sums[1]


def test_a_small_text_of_few_characters_keeps_all_that_the_network_knew(
    small: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert begin("--init", small, text="the fox " * 60) == 0

    out = capsys.readouterr().out
    num_chars = len(set(OLD))
    assert f"begins with the weights of {small}" in out
    assert f": its {num_chars} characters, and 0 that are new\n" in out
    assert predict.main(["b", "--prefix", "jumps over it."]) == 0  # the text has no j, u, m, p, …


def test_what_a_run_began_with_is_recorded_and_stays_so(small: str) -> None:
    begin("--init", small, epochs=1)
    recorded = [config_of("b")]
    train.main(["--resume", "b", "--epochs", "2"])
    recorded.append(config_of("b"))

    for config in recorded:
        assert config["init"] == str(Path(small).absolute())
        assert config["facts"]["init"]["run"] == str(Path(small).absolute())
        assert len(config["facts"]["init"]["sha256"]) == 64
        assert config["facts"]["init"]["what"] == load_run(Path(small), best=True).what
    assert recorded[0]["facts"] == recorded[1]["facts"]


def config_of(folder: str) -> dict[str, Any]:
    return json.loads(Path(folder, "config.json").read_text("utf-8"))


def test_it_repeats_and_goes_on_without_the_run_that_it_began_with(
    old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin("--init", old, "--dropout", 0.3, out="whole")
    with monkeypatch.context() as patch:
        Path("b.txt").write_text(NEW, encoding="utf-8")
        stop_after(
            patch, 7, "--corpus", "b.txt", "--init", old, "--dropout", 0.3, "--epochs", 2, "--out", "b"
        )
    shutil.rmtree(old)

    assert train.main(["--resume", "b"]) == 0
    assert weights("b") == weights("whole")
    assert perplexities("b") == perplexities("whole")


def test_one_that_ended_before_its_first_checkpoint_begins_with_the_same_weights(small: str) -> None:
    begin("--init", small, out="whole")
    begin("--init", small)
    shutil.rmtree("b/checkpoints")

    assert train.main(["--resume", "b"]) == 0
    assert weights("b") == weights("whole")
    shutil.rmtree("b/checkpoints")
    shutil.rmtree(small)
    assert train.main(["--resume", "b"]) == 2


def test_a_chain_of_runs_keeps_the_characters_of_all(small: str) -> None:
    assert begin("--init", small) == 0
    assert begin("--init", "b", text="1234567890" * 60, out="c") == 0

    assert first("c")[1] == "".join(sorted({*OLD, *NEW, *"1234567890"}))


def test_characters_that_are_given_without_a_run_are_learned_later(small: str) -> None:
    assert begin("--chars", "xyzÀ\n\t\\ '\"", text="abc" * 200, epochs=1, out="c") == 0

    assert first("c")[1] == "".join(sorted({*"abcxyzÀ\n\t\\ '\""}))
    assert begin("--init", small, "--chars", "ß", epochs=1) == 0
    assert first("b")[1] == "".join(sorted({*OLD, *NEW, "ß"}))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("--init a --cell gru", ("--cell gru", "has rnn", "omit --cell")),
        ("--init a --layers 2", ("--layers 2", "has 1")),
        ("--init a --hidden-dim 9", ("--hidden-dim 9", "has 8")),
        ("--init a.txt", ("a.txt", "safetensors")),
        ("--init nowhere", ("nowhere", "not a run directory")),
        ("--init empty", ("empty", "not a run directory")),
        ("--init=", ("not a run directory",)),
        ("--init a --out a", ("--init", "was begun with None", "omit --init")),
        ("--init other --resume c", ("--init", "other", "omit --init")),
    ],
)
def test_what_cannot_begin_is_refused_in_one_line_and_leaves_nothing(
    given: str, said: tuple[str, ...], small: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty").mkdir()
    if "c" in given.split():
        begin("--init", small, epochs=1, out="c")
    before = sorted(os.listdir())
    capsys.readouterr()

    more = [] if "--out" in given or "--resume" in given else ["--out", "b"]
    network = [one for one in SMALL if "hidden" not in one and one != "8"]
    assert train.main([*network, "--corpus", "a.txt", *given.split(), *more]) == 2

    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert all(word in err for word in said), err
    assert sorted(os.listdir()) == before


def test_a_network_of_nan_is_refused(small: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(small, "best")
    _, arrays, facts, _ = load_newest(folder)
    arrays["W_hh"][:] = float("nan")
    run_module.save_next(folder, arrays, facts)

    assert begin("--init", small) == 2
    assert "W_hh holds NaN or infinity" in capsys.readouterr().err
    assert not Path("b").exists()


def test_workers_begin_with_the_same_weights_and_end_as_one(small: str) -> None:
    Path("b.txt").write_text(NEW, encoding="utf-8")
    given = ["--corpus", "b.txt", "--init", small, "--workers", 2, "--epochs", 2]

    together = train_in_a_process(*given, "--out", "together")
    in_turn = train_in_a_process(*given, "--in-turn", "--out", "in turn")

    assert (together.returncode, in_turn.returncode) == (0, 0), together.stderr + in_turn.stderr
    assert weights("together") == weights("in turn")
    assert first("together")[1] == "".join(sorted({*OLD, *NEW}))
    assert "begins with the weights of" in together.stdout
    shutil.rmtree(small)
    again = train_in_a_process("--resume", "together", "--epochs", 3)
    assert again.returncode == 0, again.stderr
