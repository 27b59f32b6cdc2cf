"""Nothing is lost: a run that is stopped, killed or damaged goes on with the numbers it would have had."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from d2lrnn import load_checkpoint, predict, save_checkpoint, train
from d2lrnn.checkpoint import load_newest, save_next
from d2lrnn.cli import command_line
from d2lrnn.running import run as run_module
from d2lrnn.running.directory import load_run
from d2lrnn.running.folder import newest_run
from d2lrnn.running.settings import OLDER

import numpy as np
import pytest
from small_run import SMALL, perplexities, run_small, weights

pytestmark = pytest.mark.slow

LAST = Path("a/checkpoints/000002")  # of a small run that has ended; 000001 is from its beginning


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class StopAfter:
    """In place of the module time in the training loop: sends a signal to ourselves at the n-th batch."""

    def __init__(self, num_batches: int, number: int) -> None:
        self.left, self.number = num_batches, number

    def monotonic(self) -> float:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), self.number)
        return 0.0


def stop_after(monkeypatch: pytest.MonkeyPatch, num_batches: int, *arguments: Any) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(train, "time", StopAfter(num_batches + 1, signal.SIGINT))
        assert run_small(*arguments) == 130


# --- as if it had never stopped ---


KINDS = [  # audits/torture.py has them all
    "--cell rnn --sampler random --optimizer adam --dropout 0.5",
    "--cell rnn --sampler consecutive --optimizer sgd",
    "--cell gru --sampler consecutive --optimizer adam --dropout 0.5",
    "--cell lstm --sampler random --optimizer sgd --dropout 0.5",
    "--cell lstm --sampler consecutive --optimizer adam --layers 2",
    "--cell rnn --sampler consecutive --optimizer adam --weight-decay 5 --schedule cosine --warmup 40",
    "--cell lstm --sampler variable --tied --dropout 0.5 --locked-dropout --dropout-in 0.2 --weight-drop 0.5",
]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch", [1, 30])
def test_a_stopped_run_goes_on_as_if_it_had_not_been(
    kind: str, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [*kind.split(), "--epochs", 2]
    run_small(*arguments, "--out", "whole")
    stop_after(monkeypatch, batch, *arguments, "--out", "stopped")

    assert train.main(["--resume", "stopped"]) == 0

    assert perplexities("stopped") == perplexities("whole")
    assert weights("stopped") == weights("whole")
    assert Path("stopped/samples.txt").read_text("utf-8") == Path("whole/samples.txt").read_text("utf-8")
    assert best("stopped") == best("whole")


def best(folder: str) -> Any:
    _, arrays, facts, _ = load_newest(Path(folder) / "best")
    return {name: a.asnumpy().tobytes() for name, a in arrays.items()}, facts["heldout_perplexity"]


def test_what_is_dropped_depends_on_the_seed_alone() -> None:
    run_small("--epochs", 2, "--dropout", 0.5, "--out", "a")
    run_small("--epochs", 2, "--dropout", 0.5, "--out", "b")
    run_small("--epochs", 2, "--out", "c")

    assert weights("a") == weights("b") != weights("c")


@pytest.mark.parametrize("given", ["--resume", "--resume a", "--resume --out a", "--out a"])
def test_every_way_to_name_an_unfinished_run_goes_on_with_it(
    given: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if given == "--resume":
        Path("runs").mkdir()
        Path("a").symlink_to("runs/a")
        Path("runs/a").mkdir()
    stop_after(monkeypatch, 3, "--epochs", 1, "--out", "a")

    assert train.main(given.split()) == 0

    assert "from epoch 1, batch" in capsys.readouterr().out
    assert len(perplexities("a")) == 1


def test_two_directories_to_resume_are_one_too_many(capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(["--resume", "a", "--out", "b"]) == 2
    assert "--resume a and --out b" in capsys.readouterr().err


def test_more_epochs_may_be_given_to_a_finished_run() -> None:
    run_small("--epochs", 4, "--out", "whole")
    run_small("--epochs", 2, "--out", "a")

    assert train.main(["--resume", "a", "--epochs", "4"]) == 0

    assert perplexities("a") == perplexities("whole")
    assert json.loads(Path("a/config.json").read_text("utf-8"))["epochs"] == 4


def test_more_epochs_of_a_cosine_end_it_later_which_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    run_small("--epochs", 2, "--schedule", "cosine", "--out", "a")

    assert train.main(["--resume", "a", "--epochs", "3"]) == 0

    warning = "warning: a: --epochs was 2 and is 3: the learning rate jumps to the new cosine\n"
    assert capsys.readouterr().err == warning
    assert weights("a") != (run_small("--epochs", 3, "--schedule", "cosine", "--out", "b") or weights("b"))


@pytest.mark.parametrize("given", [("--schedule", "cosine"), ("--warmup", 3), ("--weight-decay", 2.0)])
def test_how_the_steps_are_taken_may_be_changed_with_a_warning(
    given: tuple[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    run_small("--epochs", 1, "--out", "a")
    run_small("--epochs", 2, "--out", "plain")
    run_small("--epochs", 2, "--out", "whole", *given)
    capsys.readouterr()

    assert train.main(["--resume", "a", "--epochs", "2", *map(str, given)]) == 0

    assert f"warning: a: {given[0]} was" in capsys.readouterr().err
    assert (weights("a") == weights("plain")) is (given[0] == "--warmup")  # that was over before
    assert weights("a") != weights("whole")


def test_a_run_older_than_these_settings_goes_on_as_it_began(capsys: pytest.CaptureFixture[str]) -> None:
    run_small("--epochs", 3, "--out", "whole")
    run_small("--epochs", 2, "--out", "a")
    arrays, facts = load_checkpoint(LAST)
    older = {"deterministic": False, "weight_decay": 0, "schedule": "constant", "warmup": 0}
    for config in (facts["config"], begun := json.loads(Path("a/config.json").read_text("utf-8"))):
        for name in older:
            del config[name]
    _damage(json.dumps(begun))
    shutil.rmtree(LAST)
    save_checkpoint(LAST, arrays, facts)
    capsys.readouterr()

    assert train.main(["--resume", "a", "--epochs", "3"]) == 0

    assert capsys.readouterr().err == ""
    assert weights("a") == weights("whole")
    assert older.items() <= json.loads(Path("a/config.json").read_text("utf-8")).items()


def test_a_finished_run_is_not_overwritten(capsys: pytest.CaptureFixture[str]) -> None:
    run_small("--epochs", 1, "--out", "a")
    before = weights("a")

    assert run_small("--epochs", 1, "--out", "a") == 2

    assert "a has had its 1 epochs" in capsys.readouterr().err
    assert weights("a") == before


# --- what ends a run ---


def test_sigterm_saves_too_and_says_so_in_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train, "time", StopAfter(3, signal.SIGTERM))

    assert run_small("--epochs", 4, "--out", "a") == 143
    assert f"saved; go on with {command_line('d2lrnn.train', '--resume', 'a')}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "busy_with"),
    [(train, "d2lrnn.running.run.Run"), (predict, "d2lrnn.formats.safetensors_file.newest_run")],
    ids=["train", "predict"],
)
def test_ctrl_c_while_there_is_nothing_to_save_leaves_no_traceback(
    command: Any, busy_with: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(busy_with, pressed)

    assert command.main([]) == 130


@pytest.mark.parametrize(("lr", "what"), [(1e30, "the loss is"), (1e4, "and guessing costs 5.8")])
def test_a_loss_that_explodes_ends_the_run_and_keeps_the_checkpoint(
    lr: float, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_small("--epochs", 3, "--out", "a", "--optimizer", "sgd", "--lr", lr) == 1

    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "epoch 1, batch" in err
    assert what in err
    assert "a/checkpoints/000001 is kept" in err
    assert err.endswith(f"{command_line('d2lrnn.train', '--resume', 'a', '--lr', f'{lr / 10:g}')}\n")
    arrays, _ = load_checkpoint(Path("a/checkpoints/000001"))
    assert all(np.isfinite(array.asnumpy()).all() for array in arrays.values())


def test_an_exploded_run_goes_on_with_another_lr(capsys: pytest.CaptureFixture[str]) -> None:
    run_small("--epochs", 1, "--out", "a", "--optimizer", "sgd", "--lr", 1e30)

    assert train.main(["--resume", "a", "--lr", "1"]) == 0
    assert "--lr was 1e+30 and is 1.0" in capsys.readouterr().err


def test_a_full_disk_is_named_and_the_last_checkpoint_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_small("--epochs", 1, "--out", "a")
    run_small("--epochs", 3, "--out", "whole")

    def full_disk(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("d2lrnn.running.directory.save_next", full_disk)
        assert train.main(["--resume", "a", "--epochs", "3"]) == 1

    assert f"No space left on device; {LAST} is kept" in capsys.readouterr().err
    assert train.main(["--resume", "a", "--epochs", "3"]) == 0
    assert weights("a") == weights("whole")


def test_a_corpus_that_goes_away_does_not_disturb_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("my.txt").write_text("the quick brown fox " * 40)
    begin = run_module.Run.begin

    def begin_without(run: Any, folder: Path) -> None:
        Path("my.txt").unlink()
        begin(run, folder)

    monkeypatch.setattr(run_module.Run, "begin", begin_without)

    assert train.main([*SMALL, "--corpus", "my.txt", "--epochs", "2", "--out", "a"]) == 0


# --- which is the newest ---


def test_the_run_that_was_trained_last_is_the_newest_also_after_its_files_got_other_dates() -> None:
    run_small("--epochs", 1, "--out", "runs/a")
    run_small("--epochs", 1, "--out", "runs/b")
    for path in Path("runs/a").rglob("*"):
        os.utime(path, (2**32, 2**32))  # as a copy would have them, later than those of b

    assert newest_run() == Path("runs/b")
    train.main(["--resume", "runs/a", "--epochs", "2"])
    assert newest_run() == Path("runs/a")


# --- saving on the way ---


def test_a_long_epoch_is_saved_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[int] = []
    monkeypatch.setattr(run_module.Run, "save", lambda run: saved.append(run.progress.batch))

    run_small("--epochs", 1, "--autosave", 0, "--out", "a")

    assert saved[:4] == [0, 1, 2, 3]


def test_saving_takes_no_more_than_its_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock:
        now, saves = 0.0, 0

        def monotonic(self) -> float:
            self.now += 5  # a batch
            return self.now

    clock = Clock()

    def slow_save(_: Any) -> None:
        clock.saves += 1
        clock.now += 10

    monkeypatch.setattr(train, "time", clock)
    monkeypatch.setattr(run_module.Run, "save", slow_save)

    run_small("--epochs", 30, "--autosave", 1, "--out", "a")

    assert clock.now > 2000
    assert 3 < clock.saves <= 3 + clock.now * train.AUTOSAVE_SHARE / 10


def test_the_best_on_heldout_text_is_kept_beside_the_newest() -> None:
    run_small("--epochs", 6, "--out", "a", "--lr", 0.02)

    heldout = [value for _, value in perplexities("a")]
    assert heldout.index(min(heldout)) < len(heldout) - 1  # or this would not tell them apart
    _, arrays, facts, _ = load_newest(Path("a/best"))
    assert (facts["epoch"], facts["heldout_perplexity"]) == (heldout.index(min(heldout)) + 1, min(heldout))
    run_small("--epochs", facts["epoch"], "--out", "short", "--lr", 0.02)
    short = weights("short")
    assert {name: a.asnumpy().tobytes() for name, a in arrays.items()}.items() <= short.items()
    assert load_run(Path("a"), best=True).params.W_hy.asnumpy().tobytes() == short["W_hy"]


def test_a_run_without_heldout_text_has_no_best() -> None:
    run_small("--epochs", 1, "--heldout", 0, "--out", "a")

    with pytest.raises(ValueError, match="a holds no best checkpoint"):
        load_run(Path("a"), best=True)


# --- what is damaged ---


def test_a_damaged_checkpoint_costs_the_time_since_the_one_before(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_small("--epochs", 4, "--out", "whole")
    run_small("--epochs", 2, "--out", "a")
    (LAST / "arrays.npz").write_bytes(b"")

    assert predict.main(["a", "--last"]) == 0
    said = capsys.readouterr().err
    assert "000002" in said and "arrays.npz" in said and "000001" in said
    assert train.main(["--resume", "a", "--epochs", "4"]) == 0

    assert "warning: a/checkpoints/000002" in capsys.readouterr().err
    assert weights("a") == weights("whole")
    assert perplexities("a") == perplexities("whole")
    assert sorted(os.listdir("a/checkpoints")) == ["000001", "000003", "LATEST"]


def test_a_run_of_which_nothing_is_whole_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    run_small("--epochs", 1, "--out", "a")
    for name in ("000001", "000002"):
        (Path("a/checkpoints") / name / "facts.json").unlink()
    capsys.readouterr()

    for command in (["--resume", "a", "--epochs", "2"], ["--out", "a"]):
        assert train.main(command) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_a_run_that_ended_before_its_first_checkpoint_begins_again() -> None:
    run_small("--epochs", 1, "--out", "whole")
    run_small("--epochs", 1, "--out", "a")
    shutil.rmtree("a/checkpoints")

    assert train.main(["--resume", "a"]) == 0
    assert weights("a") == weights("whole")


def test_what_was_logged_after_the_checkpoint_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    run_small("--epochs", 4, "--out", "whole")
    stop_after(monkeypatch, 60, "--epochs", 4, "--out", "a")
    with open("a/metrics.jsonl", "a") as file:
        file.write('{"epoch": 3, "train_per')  # the process died while it wrote this line
    Path("a/samples.txt").unlink()

    assert train.main(["--resume", "a"]) == 0
    assert perplexities("a") == perplexities("whole")


@pytest.mark.parametrize("metrics", ["", "null\n", '{"epoch": 1, "train_perplexity": "x"}\n', "[" * 10**5])
def test_a_run_goes_on_without_its_log(metrics: str, capsys: pytest.CaptureFixture[str]) -> None:
    run_small("--epochs", 2, "--out", "whole")
    run_small("--epochs", 1, "--out", "a")
    Path("a/metrics.jsonl").write_text(metrics)

    assert train.main(["--resume", "a", "--epochs", "2"]) == 0
    assert "metrics.jsonl is damaged: only 0 of 1" in capsys.readouterr().err
    assert weights("a") == weights("whole")


def _damage(config: str) -> None:
    Path("a/config.json").write_text(config)


@pytest.mark.parametrize("config", ["", "[]", '{"cell": ', "[" * 10**5])
def test_a_damaged_config_is_written_anew(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    run_small("--epochs", 1, "--out", "a")
    before = json.loads(Path("a/config.json").read_text("utf-8"))
    _damage(config)

    assert train.main(["--resume", "a", "--epochs", "2"]) == 0

    assert "config.json is damaged" in capsys.readouterr().err
    assert json.loads(Path("a/config.json").read_text("utf-8")) == {**before, "epochs": 2}


def test_a_config_edited_by_hand_is_refused_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    run_small("--epochs", 1, "--out", "a")
    _damage(Path("a/config.json").read_text("utf-8").replace('"hidden_dim": 8', '"hidden_dim": 9'))

    assert train.main(["--resume", "a", "--epochs", "2"]) == 2
    assert "a/config.json: hidden_dim is 9 there, and 8 in" in capsys.readouterr().err


def test_epochs_given_to_a_run_that_was_killed_before_it_saved_are_forgotten_with_a_warning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_small("--epochs", 1, "--out", "a")
    _damage(Path("a/config.json").read_text("utf-8").replace('"epochs": 1', '"epochs": 3'))

    assert train.main(["--resume", "a", "--epochs", "2"]) == 0
    assert "a/config.json: epochs is 3 there, and 1 in" in capsys.readouterr().err
    assert len(perplexities("a")) == 2


# --- what has changed ---


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--hidden-dim", "9"], "--hidden-dim 9: a was begun with 8"),
        (["--sampler", "consecutive"], "--sampler consecutive: a was begun with random"),
        (["--dropout", "0.1"], "--dropout 0.1: a was begun with 0.0"),
        (["--seed", "1"], "--seed 1: a was begun with 0; omit --seed, or give another --out to start afresh"),
        (["--tied"], "--tied on: a was begun with off; omit --tied, or"),
        ([], "a has had its 1 epochs"),
    ],
)
@pytest.mark.parametrize("way", ["--resume", "--out"])
def test_resume_refuses_what_would_make_another_run(
    way: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run_small("--epochs", 1, "--out", "a")
    capsys.readouterr()

    assert train.main([way, "a", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_resume_refuses_a_corpus_that_has_changed(capsys: pytest.CaptureFixture[str]) -> None:
    Path("my.txt").write_text("the quick brown fox " * 40)
    train.main([*SMALL, "--corpus", "my.txt", "--epochs", "1", "--out", "a"])
    Path("my.txt").write_text("the quick brown dog " * 40)

    assert train.main(["--resume", "a", "--epochs", "2"]) == 2
    assert "is not the one that this run began with" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda patch: patch.setenv("OMP_NUM_THREADS", "77"),
            r"threads was .* and is . x 77",
        ),
        (lambda patch: patch.setattr(run_module, "__version__", "9.9"), r"d2lrnn was 0.* and is 9\.9"),
        (lambda patch: patch.setattr("numpy.__version__", "9.9"), r"numpy was [12]\..* and is 9\.9"),
        (lambda patch: patch.setattr(run_module, "ENGINE", 99), r"engine was \d and is 99"),
    ],
    ids=["threads", "d2lrnn", "numpy", "engine"],
)
def test_resume_warns_of_what_changes_the_last_digits(
    change: Callable[[pytest.MonkeyPatch], None],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_small("--epochs", 1, "--out", "a")
    change(monkeypatch)

    assert train.main(["--resume", "a", "--epochs", "2"]) == 0
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert re.search("^warning: a: " + message, err)


# --- what has moved ---


TEXT = "the quick brown fox jumps over it. " * 40


def begin_and_move(text: str = TEXT) -> dict[str, bytes]:
    """A run "a" of one epoch on old.txt, which then goes away; the weights that a second epoch would give."""
    Path("old.txt").write_bytes(text.encode())
    for folder, epochs in (("whole", "2"), ("a", "1")):
        assert train.main([*SMALL, "--corpus", "old.txt", "--epochs", epochs, "--out", folder]) == 0
    Path("old.txt").unlink()
    return weights("whole")


def corpus_of(folder: str) -> list[str]:
    """What config.json and the newest checkpoint say: the names of its files."""
    said = [json.loads(Path(folder, "config.json").read_text("utf-8"))]
    said.append(load_newest(Path(folder, "checkpoints"))[2]["config"])
    return [
        Path(one if isinstance(one, str) else one[0]).name for one in (config["corpus"] for config in said)
    ]


def put_text(name: str) -> None:
    """The text of old.txt under another name, in one of several forms."""
    Path(name).parent.mkdir(exist_ok=True)
    if name.endswith(".zip"):
        with zipfile.ZipFile(name, "w") as archive:
            archive.writestr("my.txt", TEXT)
    else:
        Path(name).write_bytes(b"\xef\xbb\xbf" * ("bom" in name) + TEXT.encode())


@pytest.mark.parametrize("way", ["--resume", "--out"])
@pytest.mark.parametrize("new", ["new.txt", "里 外/new.txt", "bom.txt", "new.zip", "./lyrics"])
def test_a_run_goes_on_with_its_text_from_another_place(
    way: str, new: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = begin_and_move()
    put_text(new)
    capsys.readouterr()

    assert train.main([way, "a", "--corpus", new, "--epochs", "2"]) == 0

    assert capsys.readouterr().err == ""
    assert weights("a") == whole
    assert corpus_of("a") == [Path(new).name] * 2
    assert train.main(["--resume", "a", "--epochs", "3"]) == 0  # it is known from now on


def test_a_whole_run_moves_with_its_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("here").mkdir()
    monkeypatch.chdir("here")
    whole = begin_and_move()
    put_text("old.txt")
    os.rename(tmp_path / "here", tmp_path / "there")
    monkeypatch.chdir(tmp_path / "there")

    assert train.main(["--resume", "a", "--corpus", "old.txt", "--epochs", "2"]) == 0
    assert weights("a") == whole


@pytest.mark.parametrize(
    "arguments", [["--resume", "a"], ["--out", "a"], ["--resume", "a", "--workers", "1"]]
)
def test_a_run_whose_text_has_gone_says_how_to_name_its_new_place(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    begin_and_move()
    capsys.readouterr()

    assert train.main([*arguments, "--epochs", "2"]) == 2

    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "old.txt' does not exist" in err
    assert err.endswith(f"{command_line('d2lrnn.train', '--resume', 'a', '--corpus', 'NEW')}\n")


def test_a_place_where_nothing_is_is_refused_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    begin_and_move()
    capsys.readouterr()

    assert train.main(["--resume", "a", "--corpus", "nowhere.txt", "--epochs", "2"]) == 2
    assert "'nowhere.txt' does not exist" in (err := capsys.readouterr().err)
    assert "NEW" not in err


OTHERS = [TEXT.replace("fox", "dog"), TEXT + "!", TEXT[:-1], TEXT.upper(), TEXT[::-1], "the quick brown fox"]


@pytest.mark.parametrize("other", OTHERS, ids=["word", "longer", "shorter", "upper", "reversed", "tiny"])
@pytest.mark.parametrize("place", ["old.txt", "new.txt"])
def test_another_text_is_refused_with_what_is_known_of_both(
    other: str, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    begin_and_move(TEXT[:500])  # shorter than the 600 characters of --max-chars
    Path(place).write_text(other[:500] if other.startswith("the quick brown dog") else other)
    before = Path("a/config.json").read_bytes(), weights("a"), perplexities("a")
    capsys.readouterr()

    given = ["--corpus", place] if place != "old.txt" else []
    assert train.main(["--resume", "a", *given, "--epochs", "2"]) == 2

    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert f"{place} is not the one that this run began with" in err
    sums = [
        sha256(text.encode()).hexdigest()[:12]
        for text in (other[:500] if "dog" in other else other[:600], TEXT[:500])
    ]
    assert all(one in err for one in sums), sums
    assert (Path("a/config.json").read_bytes(), weights("a"), perplexities("a")) == before


def test_a_new_place_is_not_forgotten_where_the_process_died_before_its_next_checkpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = begin_and_move()
    put_text("new.txt")

    def die(*_: Any) -> None:
        raise SystemExit(9)

    with monkeypatch.context() as patch:
        patch.setattr(train, "_train", die)
        with pytest.raises(SystemExit):
            train.main(["--resume", "a", "--corpus", "new.txt", "--epochs", "2"])

    assert train.main(["--resume", "a", "--epochs", "2"]) == 0
    assert weights("a") == whole


def test_a_place_that_was_written_into_config_json_counts() -> None:
    whole = begin_and_move()
    put_text("new.txt")
    _damage(Path("a/config.json").read_text("utf-8").replace("/old.txt", "/new.txt"))

    assert train.main(["--resume", "a", "--epochs", "2"]) == 0
    assert weights("a") == whole


def test_a_run_that_moves_before_its_first_checkpoint_begins_on_the_same_text_only(
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole = begin_and_move()
    shutil.rmtree("a/checkpoints")
    put_text("new.txt")
    Path("other.txt").write_text(TEXT.upper())

    assert train.main(["--resume", "a", "--corpus", "other.txt", "--epochs", "2"]) == 2
    assert "is not the one that this run began with" in capsys.readouterr().err
    assert train.main(["--resume", "a", "--corpus", "new.txt", "--epochs", "2"]) == 0
    assert weights("a") == whole


def test_a_run_that_was_put_elsewhere_is_only_read_by_predict(capsys: pytest.CaptureFixture[str]) -> None:
    def written(folder: str) -> str:
        capsys.readouterr()
        assert predict.main([folder, "--seed", "1"]) == 0
        return capsys.readouterr().out

    run_small("--epochs", 1, "--out", "a")
    before = written("a")
    shutil.move("a", "medium")
    paths = [Path("medium"), *sorted(Path("medium").rglob("*"))]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)  # of no account to root
    dates = [path.stat().st_mtime_ns for path in paths]

    assert written("medium") == before
    assert [Path("medium"), *sorted(Path("medium").rglob("*"))] == paths
    assert [path.stat().st_mtime_ns for path in paths] == dates


def test_a_run_of_which_the_config_is_older_than_some_settings_goes_on_as_it_was() -> None:
    run_small("--epochs", 2, "--out", "whole")
    run_small("--epochs", 1, "--out", "a")
    path, arrays, facts, _ = load_newest(Path("a/checkpoints"))
    config = json.loads(Path("a/config.json").read_text())
    for name in OLDER:
        del facts["config"][name], config[name]
    save_next(Path("a/checkpoints"), arrays, facts, path)
    Path("a/config.json").write_text(json.dumps(config))

    assert train.main(["--resume", "a", "--epochs", "2"]) == 0
    assert weights("a") == weights("whole")


# --- two at once ---

HOLD = "import sys, time; from pathlib import Path; from d2lrnn.running.folder import lock;"
HOLD += "held = lock(Path('a')); print('held', flush=True); time.sleep(60)"


def test_a_directory_in_which_another_process_trains_is_refused_until_that_one_is_dead(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run_small("--epochs", 1, "--out", "a")
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        for command in (["--resume", "a", "--epochs", "2"], ["--out", "a", "--epochs", "2"]):
            capsys.readouterr()
            assert train.main(command) == 2
            assert f"a is in use: process {other.pid} trains there" in capsys.readouterr().err
        assert predict.main(["a"]) == 0  # reading disturbs nobody
        other.kill()

    assert train.main(["--resume", "a", "--epochs", "2"]) == 0
