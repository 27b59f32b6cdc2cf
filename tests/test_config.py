"""--config: a new run begins with the settings of another one, or of a file that somebody wrote."""

from __future__ import annotations

import codecs
import json
import os
from pathlib import Path
from typing import Any

from d2lrnn import train
from d2lrnn.running.config import FOLLOWS, read_settings
from d2lrnn.running.directory import OLDER, to_settings
from d2lrnn.running.settings import Settings
from d2lrnn.running.start import ask

import pytest
from small_run import perplexities, run_small, weights

pytestmark = pytest.mark.usefixtures("empty_folder")


def write(config: Any, name: str = "c.json") -> str:
    Path(name).write_text(config if isinstance(config, str) else json.dumps(config), "utf-8")
    return name


def asked(*arguments: str) -> dict[str, Any]:
    return ask(train._parser().parse_args(arguments), [])


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    before = sorted(Path.cwd().rglob("*"))
    assert train.main(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), sorted(Path.cwd().rglob("*"))) == ("", 1, before)
    return err


def test_flags_count_before_the_file_and_the_file_before_the_defaults() -> None:
    write({"cell": "gru", "epochs": 3, "lr": 1, "prefix": ["我", "a\nb"], "max_chars": None})

    settings = Settings(**asked("--config", "c.json", "--epochs", "4"))

    assert (settings.cell, settings.epochs, settings.lr, settings.prefix) == ("gru", 4, 1, ("我", "a\nb"))
    assert settings == Settings(cell="gru", epochs=4, lr=1, prefix=("我", "a\nb"))


def test_a_single_prefix_needs_no_list_and_a_mark_of_windows_does_no_harm() -> None:
    Path("c.json").write_bytes(codecs.BOM_UTF8 + b'{"prefix": "ab", "seed": 7}')

    assert read_settings("c.json") == {"prefix": ("ab",), "seed": 7}


def test_a_corpus_is_meant_as_on_the_command_line() -> None:
    Path("sub").mkdir()
    for name in ("sub/my.txt", "lyrics"):
        Path(name).write_text("some text", "utf-8")

    def corpus(name: str, *flags: str) -> Any:
        return asked("--config", write({"corpus": name}, "sub/c.json"), *flags)["corpus"]

    assert corpus("sub/my.txt") == asked("--corpus", "sub/my.txt")["corpus"]
    assert str(Path("sub/my.txt").absolute()) in corpus("sub/my.txt")
    assert corpus(os.path.abspath("sub/my.txt")) == corpus("sub/my.txt")
    assert corpus("my.txt", "--corpus", "lyrics") == asked("--corpus", "lyrics")["corpus"]


def test_what_was_chosen_for_one_corpus_or_optimizer_is_not_taken_over_for_another() -> None:
    fields = {*Settings.__dataclass_fields__}
    write(
        {"corpus": "lyrics", "prefix": ["我"], "optimizer": "adam", "lr": 0.005, "clip": 1.0, "heldout": 0.2}
    )

    assert asked("--config", "c.json", "--corpus", "timemachine") == {
        "corpus": asked("--corpus", "timemachine")["corpus"],
        **{"optimizer": "adam", "lr": 0.005, "clip": 1.0, "heldout": 0.2},
    }
    sgd = Settings(**asked("--config", "c.json", "--optimizer", "sgd"))
    assert (sgd.learning_rate, sgd.theta, sgd.prefix) == (100, 0.01, ("我",))
    assert asked("--config", "c.json", "--optimizer", "sgd", "--lr", "9")["lr"] == 9
    assert {"prefix", "lr", "clip"} <= {name for names in FOLLOWS.values() for name in names} & fields


@pytest.mark.slow
def test_the_config_of_a_run_begins_the_same_run_again() -> None:
    Path("my.txt").write_text("the quick brown fox " * 40, "utf-8")
    assert run_small("--epochs", 2, "--corpus", "my.txt", "--cell", "lstm", "--layers", 2, "--out", "a") == 0

    for source, folder in (("a/config.json", "b"), ("a", "c")):
        assert train.main(["--config", source, "--out", folder]) == 0
        assert perplexities(folder) == perplexities("a")
        assert weights(folder) == weights("a")
    configs = [json.loads(Path(folder, "config.json").read_text("utf-8")) for folder in "abc"]
    assert configs[0] == configs[1] == configs[2]
    assert train.main(["--config", "a", "--cell", "rnn", "--epochs", "1", "--out", "d"]) == 0
    changed = {"cell": "rnn", "epochs": 1}
    assert json.loads(Path("d/config.json").read_text("utf-8")) == {**configs[0], **changed}


def test_the_config_of_an_older_run_means_what_it_meant() -> None:
    """What a setting has come to mean for others who do not give it, it does not mean there."""
    full = {name: field.default for name, field in Settings.__dataclass_fields__.items()} | {"facts": {}}
    older = {name: value for name, value in full.items() if name not in OLDER}

    found = read_settings(write(older))

    assert found.keys() == full.keys() - {"facts"}
    assert Settings(**found) == to_settings({**older, "prefix": []}, Path("c.json"))
    assert OLDER.keys() <= full.keys()
    by_hand = read_settings(write({name: value for name, value in older.items() if name != "facts"}))
    assert not OLDER.keys() & by_hand.keys()


def test_facts_are_no_settings() -> None:
    for facts in ({"vocab_size": 9, "cell": "gru"}, [], None):
        assert "cell" not in read_settings(write({"epochs": 3, "facts": facts}))


WRONG = {  # what the file holds: what the answer names
    '{"hiden_dim": 8}': "'hiden_dim' is not a setting of a run: do you mean hidden_dim?",
    '{"--hidden-dim": 8}': "do you mean hidden_dim?",
    '{"transformer": 8}': "'transformer' is not a setting of a run: omit it",
    '{"--max-restarts": 8}': "give --max-restarts on the command line",
    '{"epochs": "ten"}': "--epochs 'ten': give int",
    '{"epochs": 2.0}': "--epochs 2.0: give int",
    '{"epochs": true}': "--epochs True: give int",
    '{"epochs": null}': "--epochs None: give int",
    '{"epochs": 0}': "--epochs 0: give a number of at least 1",
    '{"cell": ["rnn"]}': "--cell ['rnn']: give str",
    '{"cell": "transformer"}': "--cell transformer: give one of rnn, gru, lstm",
    '{"prefix": [1]}': "--prefix 1: give str",
    '{"prefix": {"a": 1}}': "--prefix {'a': 1}: give str",
    '{"prefix": [""]}': "--prefix is empty",
    '{"lr": NaN}': "--lr nan",
    '{"lr": 1e999}': "--lr inf",
    '{"seed": ' + "9" * 5000 + "}": "holds no settings (",
    '{"epochs": 3,}': "holds no settings (",
    "[1]": "holds no settings (list): give a JSON object",
    "": "holds no settings (",
    "[" * 99_999: "holds no settings (",
    "\udcff": "holds no settings ('utf-8' codec can't decode",
}


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_a_wrong_file_is_answered_in_one_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("c.json").write_bytes(text.encode("utf-8", "surrogateescape"))

    err = refusal(capsys, "--config", "c.json")

    assert "c.json" in err
    assert WRONG[text] in err


def test_no_file_no_run_and_a_run_that_goes_on_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo("pipe")
    Path("empty").mkdir()

    for source in ("nowhere", "empty", "a\0b"):
        assert "give a config.json, or the directory of a run" in refusal(capsys, "--config", source)
    assert "no small file" in refusal(capsys, "--config", "pipe")
    write({"epochs": 1})
    for flags in (["--resume"], ["--resume", "a"]):
        assert "give one of them" in refusal(capsys, "--config", "c.json", *flags)


@pytest.mark.slow
def test_a_directory_that_holds_a_run_goes_on_only_with_its_own_settings(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run_small("--epochs", 1, "--out", "a") == 0

    assert "--cell gru" in refusal(capsys, "--config", write({"cell": "gru"}), "--out", "a")
    assert train.main(["--config", "a", "--out", "a", "--epochs", "2"]) == 0
    assert len(perplexities("a")) == 2
    config = json.loads(Path("a/config.json").read_text("utf-8"))
    assert train.main(["--config", write({**config, "workers": 2}), "--out", "b", "--in-turn"]) == 0
    assert json.loads(Path("b/config.json").read_text("utf-8"))["workers"] == 2
