"""`make heldout`: results are measured once, stored at once and found by their settings; each study runs."""

import importlib
import json
import math
import pkgutil
import re
from pathlib import Path
from typing import Any

import d2lrnn
from d2lrnn import KneserNey, Vocab, mean_perplexity

import numpy as np
import pytest

import benchmarks.heldout
from benchmarks.heldout import ablation, networks, songci, songci_best, songci_curves, splits, timemachine
from benchmarks.heldout.__main__ import STUDIES, main
from benchmarks.heldout.store import NotMeasured, Store

KEY = {"study": "songci", "seed": 0}


def never() -> dict[str, Any]:
    pytest.fail("this is stored already")


# --- the store ---


def test_a_result_is_measured_once_and_stored_at_once(tmp_path: Path) -> None:
    path = tmp_path / "results.json"

    first = Store(path).measured(KEY, lambda: {"perplexity": 97.34567891, "lines": ("春", 2)})

    assert first == {"perplexity": 97.3457, "lines": ["春", 2]}
    assert Store(path).measured(dict(reversed(KEY.items())), never) == first
    (entry,) = json.loads(path.read_text("utf-8"))
    assert entry["key"] == KEY and entry["seconds"] >= 0


def test_other_settings_are_another_result_and_a_study_side_by_side_loses_none(tmp_path: Path) -> None:
    one, other = Store(tmp_path / "results.json"), Store(tmp_path / "results.json")

    def measure_both() -> dict[str, Any]:
        other.measured({**KEY, "seed": 1}, lambda: {"perplexity": 2})
        return {"perplexity": 1}

    assert one.measured(KEY, measure_both) == {"perplexity": 1}
    assert one.measured({**KEY, "seed": 1}, never) == {"perplexity": 2}


def test_what_is_stopped_leaves_what_was_stored(tmp_path: Path) -> None:
    store = Store(tmp_path / "results.json")
    store.measured(KEY, lambda: {"perplexity": 1})

    with pytest.raises(ValueError, match="nan"):
        store.measured({**KEY, "seed": 1}, lambda: {"perplexity": math.nan})

    assert len(store.entries()) == 1


def test_without_measuring_a_missing_result_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path / "results.json", measure=False)

    with pytest.raises(NotMeasured, match="study songci, seed 0: not measured"):
        store.measured(KEY, never)


def test_the_results_that_are_shipped_are_whole_and_no_two_have_the_same_settings() -> None:
    entries = Store().entries()

    assert len({json.dumps(entry["key"], sort_keys=True) for entry in entries}) == len(entries)
    assert {entry["key"]["study"] for entry in entries} <= set(STUDIES)


# --- the command ---


def test_every_study_can_be_asked_for_alone() -> None:
    names = {module.name for module in pkgutil.iter_modules(benchmarks.heldout.__path__)}
    modules = {name: importlib.import_module(f"benchmarks.heldout.{name}") for name in names - {"__main__"}}

    assert {name for name, module in modules.items() if hasattr(module, "study")} <= set(STUDIES)


def test_an_unknown_study_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["poems"])
    assert "no study is called poems" in capsys.readouterr().err


def test_a_missing_result_is_named_and_is_no_success(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], small_songs: None
) -> None:
    assert main(["songci", "--stored", f"--results={tmp_path}/none.json"]) == 2
    assert "order 1, modified False: not measured yet" in capsys.readouterr().err


# --- studies, on a text that is small ---


@pytest.fixture
def small_songs(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,800 characters with two spaces between songs, as songci has them, and small networks."""
    text = d2lrnn.load_corpus("lyrics", max_chars=1800).strip()
    songs = "  ".join(text[i : i + 60] for i in range(0, len(text), 60))
    for module in (songci, splits):
        monkeypatch.setattr(module, "songci_text", lambda: songs)
    small = {"hidden_dim": 4, "batch_size": 4, "num_steps": 5}
    monkeypatch.setattr(songci, "TABLE", {**small, "lr": 0.002, "epochs": 2})
    monkeypatch.setattr(songci_curves, "CURVES", {**small, "lr": 0.002, "epochs": 2})
    monkeypatch.setattr(splits, "timemachine_text", lambda: "The Time Traveller, for so it will be…\n" * 20)
    monkeypatch.setattr(timemachine, "LSTM", {**small, "cell": "lstm", "epochs": 2})
    monkeypatch.setattr(songci_best, "NETWORK", {**small, "cell": "lstm"})
    monkeypatch.setattr(
        songci_best, "ATTEMPTS", ({"dropout": 0.0, "epochs": 2}, {"dropout": 0.5, "epochs": 1})
    )
    monkeypatch.setattr(songci_best, "VALID", 200)
    monkeypatch.setattr(songci_curves, "SIZES", (300, 600))


@pytest.mark.slow
def test_studies_run_to_their_end_and_measure_nothing_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], small_songs: None
) -> None:
    results = tmp_path / "results.json"
    studies = [
        "songci",
        "songci_best",
        "songci_curves",
        "timemachine",
        f"--results={results}",
        "--seeds",
        "0",
        "1",
    ]

    assert main(studies) == 0
    printed = capsys.readouterr().out
    assert main([*studies, "--stored"]) == 0

    tables = re.findall(r"(?m)^\|.*$", printed)
    assert re.findall(r"(?m)^\|.*$", capsys.readouterr().out) == tables
    entries = {json.dumps(entry["key"]): entry["result"] for entry in json.loads(results.read_text("utf-8"))}
    assert len(entries) == 10 + 6 + 2 + 2 * (1 + 6) + 4
    kn = entries['{"study": "songci", "part": "counts", "order": 3, "modified": true}']
    assert [kn["all"], kn["known"]] == pytest.approx(kneser_ney(splits.songci_text(), 3), rel=1e-5)
    assert f"| Kneser-Ney 3, three discounts | {kn['all']:.1f} | {kn['known']:.1f} |" in printed


def kneser_ney(text: str, order: int) -> list[float]:
    """Perplexities of the last tenth over all targets, and over known characters."""
    split, vocab = len(text) - int(len(text) * 0.1), Vocab(text)
    rows = d2lrnn.cut_rows(vocab.encode(text[split:]), 32, len(vocab))
    p = KneserNey(vocab.encode(text[:split]), len(vocab), order, modified=True).probabilities(rows)
    known = [[vocab.idx_to_char[char] in text[:split] for char in row] for row in rows[:, 1:]]
    return [mean_perplexity(p), mean_perplexity(p, known)]


# --- one step left out at a time ---


@pytest.fixture
def small_lyrics(monkeypatch: pytest.MonkeyPatch) -> splits.Split:
    """1,500 characters to learn and what is known of 300 more, small networks, and four rows of the table."""
    text = d2lrnn.load_corpus("lyrics", max_chars=1800)
    split = splits.cut(text[:1500], text[1500:])
    monkeypatch.setattr(ablation, "lyrics", {"valid": split}.__getitem__)
    ablation.network.cache_clear()
    small = {"hidden_dim": 8, "batch_size": 4, "num_steps": 10, "epochs": 2}
    monkeypatch.setattr(ablation, "RECIPE", {**ablation.RECIPE, **small})
    rows = ("nothing", "tied embeddings, and dropout of inputs", "weight decay", "all of these, best epoch")
    monkeypatch.setattr(ablation, "WITHOUT", {name: ablation.WITHOUT[name] for name in rows})
    return split


def test_each_step_is_left_out_by_a_setting_of_the_recipe() -> None:
    for name, changes in ablation.WITHOUT.items():
        assert all(ablation.RECIPE.get(setting) != value for setting, value in changes.items()), name
        assert bool(changes) == (name != "nothing")


@pytest.mark.slow
def test_counts_and_networks_are_measured_on_the_held_out_characters_after_the_others(
    small_lyrics: splits.Split,
) -> None:
    split, model = small_lyrics, KneserNey(small_lyrics.train, len(small_lyrics.vocab), 5, modified=True)

    p = networks.continue_counts(split, 5)

    text = [*split.train, *split.heldout]
    begin = len(split.train)
    wanted = [model.probability(text[i], text[:i]) for i in range(begin, len(text))]
    assert p == pytest.approx(np.array(wanted))
    assert ablation.train(split, 0, ablation.RECIPE).shape == p.shape


@pytest.mark.slow
def test_the_ablation_prints_a_row_for_each_step_and_measures_nothing_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], small_lyrics: splits.Split
) -> None:
    results = tmp_path / "results.json"

    assert main(["ablation", f"--results={results}", "--seeds", "0", "1"]) == 0
    printed = re.findall(r"(?m)^\|.*$", capsys.readouterr().out)
    assert main(["ablation", f"--results={results}", "--seeds", "0", "1", "--stored"]) == 0
    assert re.findall(r"(?m)^\|.*$", capsys.readouterr().out) == printed

    entries = json.loads(results.read_text("utf-8"))
    found = [entry["result"] for entry in entries if entry["key"]["study"] == "ablation"]
    *each_alone, averaged = [entry["result"] for entry in entries if entry["key"]["study"] == "lyrics"]
    counts = mean_perplexity(networks.continue_counts(small_lyrics, 5))
    assert len(found) == 2 * 4 and each_alone == found[:2]
    for each in [*found, averaged]:
        assert each["mixed"] <= min(each["alone"], counts) + 1e-3 and 0 <= each["weight"] <= 1
    assert len({each["alone"] for each in found}) == len(found)
    assert averaged["alone"] < max(found[0]["alone"], found[1]["alone"])
    assert f"| nothing | {found[0]['alone']:.1f}, {found[1]['alone']:.1f} |" in printed[2]
