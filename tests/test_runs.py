"""Which run is the newest, what `runs` says of each, and how it lays their curves over each other."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from d2lrnn import runs
from d2lrnn.running.folder import lock, newest_run

import pytest
from small_run import exit_code_of

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.usefixtures("empty_folder")

LINE = {"chars_per_second": 1.0, "seconds": 1.0}


def make_run(
    folder: str, saved: Any = 1.0, epochs: int = 4, heldout: Any = (300, 200, 250), **config: Any
) -> Path:
    """A run as far as `runs` looks at it, without arrays. heldout: a perplexity for each epoch done."""
    path = Path(folder)
    checkpoint = path / "checkpoints/000002"
    checkpoint.mkdir(parents=True)
    settings = {"corpus": "lyrics", "cell": "rnn", "layers": 1, "hidden_dim": 8, "epochs": epochs, **config}
    measured = [value for value in heldout if value is not None]
    best = {}
    if measured:
        best = {"epoch": 1 + heldout.index(min(measured)), "heldout_perplexity": min(measured)}
    facts = {"config": settings, "chars": "ab", "progress": {"epoch": len(heldout), "batch": 0}, "best": best}
    if saved is not None:
        facts["saved"] = saved
    (checkpoint / "facts.json").write_text(json.dumps(facts))
    (path / "config.json").write_text(json.dumps(settings))
    lines = [
        {"epoch": k, "train_perplexity": 400 / k, "heldout_perplexity": value, **LINE}
        for k, value in enumerate(heldout, 1)
    ]
    (path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def date(path: Path, when: float) -> None:
    """Give all that lies in path a date."""
    for one in [path, *path.rglob("*")]:
        os.utime(one, (when, when))


# --- the newest ---


def test_the_newest_run_is_the_one_that_was_saved_last_whatever_the_dates_of_its_files() -> None:
    date(make_run("runs/old", saved=1000.5), 3000)
    date(make_run("runs/new", saved=1000.75), 2000)
    date(make_run("runs/older", saved=999), 4000)

    assert newest_run() == Path("runs/new")


def test_a_copy_of_an_old_run_is_not_the_newest() -> None:
    make_run("runs/old", saved=1000)
    make_run("runs/new", saved=2000)
    shutil.copytree("runs/old", "runs/copy", copy_function=shutil.copyfile)  # with dates of today

    assert newest_run() == Path("runs/new")


def test_of_copies_of_the_newest_run_the_first_by_name_is_taken() -> None:
    for name in ("run-10", "run-2", "run-2-copy"):
        make_run(f"runs/{name}", saved=1000)

    assert newest_run() == Path("runs/run-2")


@pytest.mark.parametrize("saved", [None, "yesterday", -5, float("nan"), float("inf"), [], {}])
def test_of_a_run_that_does_not_say_when_it_was_saved_the_date_counts(saved: Any) -> None:
    make_run("runs/a", saved=2000)
    date(make_run("runs/silent", saved=saved), 1999)
    assert newest_run() == Path("runs/a")

    date(Path("runs/silent"), 2001)
    assert newest_run() == Path("runs/silent")


@pytest.mark.parametrize("facts", ["", "{", "[]", "[" * 10**5, '"' + "a" * 2**21 + '"', b"\xff", None])
def test_a_run_that_cannot_be_read_is_passed_over_with_a_warning(
    facts: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run("runs/whole", saved=2000)
    path = make_run("runs/damaged") / "checkpoints/000002/facts.json"
    path.unlink()
    if facts is not None:
        path.write_bytes(facts.encode() if isinstance(facts, str) else facts)

    assert newest_run() == Path("runs/whole")
    err = capsys.readouterr().err
    assert err.startswith(f"warning: {path} is damaged (") and err.endswith("runs/whole is taken instead\n")
    assert err.count("\n") == 1


def test_an_old_damaged_run_is_not_spoken_of(capsys: pytest.CaptureFixture[str]) -> None:
    make_run("runs/whole", saved=2000)
    damaged = make_run("runs/damaged")
    (damaged / "checkpoints/000002/facts.json").write_text("")
    date(damaged, 1000)

    assert newest_run() == Path("runs/whole")
    assert capsys.readouterr().err == ""


def test_a_single_damaged_run_is_the_newest_so_that_its_damage_is_told() -> None:
    (make_run("runs/damaged") / "checkpoints/000002/facts.json").write_text("")

    assert newest_run() == Path("runs/damaged")


def test_folders_without_a_checkpoint_are_no_runs() -> None:
    for folder in ("runs/a", "runs/b/checkpoints", "runs/c/checkpoints/.000001.7.tmp"):
        Path(folder).mkdir(parents=True)
    Path("runs/d").touch()
    with pytest.raises(ValueError, match="no run in runs/"):
        newest_run()
    make_run("runs/e")

    assert newest_run() == Path("runs/e")


# --- the list ---


def listed(*arguments: str, columns: int = 100) -> list[str]:
    """The lines that `runs` prints, in a process of its own and without a terminal."""
    done = subprocess.run(
        [sys.executable, "-m", "d2lrnn.runs", *arguments],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "COLUMNS": str(columns), "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_a_line_tells_what_a_run_is_and_how_far_it_came_the_newest_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    make_run("runs/old", saved=86400 * 365.25 * 30)
    make_run(
        "runs/new", saved=86400 * 365.25 * 31, epochs=3, corpus=["/x/b.txt", "c.txt"], cell="lstm", layers=2
    )
    make_run("runs/no", saved=1, heldout=[None])

    heading, *lines = listed()

    assert heading.split("  ")[0] == "run"
    assert [re.split(r"  +", line) for line in lines] == [
        ["runs/new", "b.txt, c.txt", "lstm 2x8", "3/3", "200.0", "7.64", "250.0", "2000-12-31", "done"],
        ["runs/old", "lyrics", "rnn 8", "3/4", "200.0", "7.64", "250.0", "2000-01-01", "stopped"],
        ["runs/no", "lyrics", "rnn 8", "1/4", "–", "–", "–", "1970-01-01", "stopped"],
    ]


def test_columns_are_aligned_where_characters_are_wide_and_lines_fit() -> None:
    for name in ("short", "里面 的名字很长很长很长很长很长很长很长很长很长很长", "e\u0301" * 40, "x" * 200):
        make_run(f"runs/{name}", corpus="/一/个/文件的名字也很长很长很长很长.txt", dropout=0.25)

    for columns in (80, 100, 160, 400):
        heading, *lines = listed(columns=columns)
        states = {width_of(line[: line.index("stopped")]) for line in lines}
        assert states == {width_of(heading[: heading.index("state")])}
        assert max(map(width_of, lines)) <= columns
    assert all("dropout 0.25" in line for line in lines)


def width_of(text: str) -> int:
    return sum(0 if char == "\u0301" else 2 if "\u4e00" <= char <= "\u9fff" else 1 for char in text)


def break_config(path: Path) -> None:
    (path / "config.json").write_text("{")
    (path / "checkpoints/000002/facts.json").write_text('{"progress": {"epoch": 1}}')


def break_facts(path: Path) -> None:
    (path / "checkpoints/000002/facts.json").write_bytes(b"\0\xff")


def break_progress(path: Path) -> None:
    (path / "checkpoints/000002/facts.json").write_text('{"config": {}, "progress": 3}')


def break_best(path: Path) -> None:
    facts = '{"progress": {"epoch": 1}, "best": {"epoch": 1, "heldout_perplexity": "x"}}'
    (path / "checkpoints/000002/facts.json").write_text(facts)


def break_kinds(path: Path) -> None:
    (path / "config.json").write_text('{"corpus": 5}')


def break_type(path: Path) -> None:
    (path / "config.json").unlink()
    (path / "config.json").mkdir()
    (path / "checkpoints/000002/facts.json").unlink()


BREAKING = [break_config, break_facts, break_progress, break_best, break_kinds, break_type]


@pytest.mark.parametrize("damage", BREAKING, ids=lambda damage: damage.__name__[6:])
def test_a_damaged_run_is_shown_with_the_reason_and_disturbs_no_other(damage: Callable[[Path], None]) -> None:
    make_run("runs/whole")
    lines = listed()
    damage(make_run("runs/damaged", saved=2))

    found = listed(columns=300)

    (line,) = [line for line in found if line.startswith("runs/damaged")]
    assert re.search("is damaged|was not written by d2lrnn", line)
    assert [re.split("  +", line) for line in found if line.startswith("runs/whole")] == [
        re.split("  +", lines[1])
    ]
    assert json.loads("\n".join(listed("--json")))[0]["fault"]


@pytest.mark.parametrize("metrics", ["", "null\n", '{"epoch": Infinity}\n', '{"epoch": 1, "train', None])
def test_a_run_without_its_log_is_listed_by_what_its_checkpoint_says(metrics: Any) -> None:
    path = make_run("runs/a") / "metrics.jsonl"
    path.unlink()
    if metrics is not None:
        path.write_text(metrics)
    else:
        os.mkfifo(path)

    assert re.split("  +", listed()[1])[3:7] == ["3/4", "200.0", "7.64", "–"]


def test_a_run_whose_config_alone_is_damaged_is_listed_as_it_will_go_on() -> None:
    (make_run("runs/a", heldout=[5.5]) / "config.json").write_text("")

    assert "5.5" in listed()[1]


def test_a_run_in_training_says_so_and_counts_what_it_has_logged() -> None:
    path = make_run("runs/a", heldout=[30, 20])
    with open(path / "metrics.jsonl", "a") as log:
        log.write(json.dumps({"epoch": 3, "train_perplexity": 12, "heldout_perplexity": 10}))
    assert re.split("  +", listed()[1])[3:7] == ["2/4", "20.0", "4.32", "20.0"]

    with lock(path):
        assert re.split("  +", listed()[1])[3:7] == ["3/4", "10.0", "3.32", "10.0"]
        assert listed()[1].endswith("training")
    assert listed()[1].endswith("stopped")


def test_looking_at_a_run_does_not_keep_one_from_training_there(monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_run("runs/a")
    with open(path / ".lock", "a") as held:
        fcntl.flock(held, fcntl.LOCK_SH)  # as is_locked has it for an instant
        monkeypatch.setattr("time.sleep", lambda seconds: fcntl.flock(held, fcntl.LOCK_UN))
        lock(path).close()


@pytest.mark.parametrize(
    ("early_stop", "heldout", "state"),
    [
        (2, [9, 5, 6, 7], "done"),
        (3, [9, 5, 6, 7], "stopped"),
        (0, [9, 5, 6, 7], "stopped"),
        (None, [9, 5], "stopped"),
    ],
)
def test_a_run_that_early_stopping_has_ended_is_done(early_stop: Any, heldout: list[int], state: str) -> None:
    make_run("runs/a", epochs=25, heldout=heldout, early_stop=early_stop)

    assert re.search(rf"  {state}\b", listed()[1])


def test_a_run_that_has_only_begun_is_listed() -> None:
    shutil.rmtree(make_run("runs/a") / "checkpoints")

    assert re.search(r"  0/4  .*begun$", listed()[1])


def test_folders_and_single_runs_may_be_named_and_each_run_is_listed_once() -> None:
    for name in ("x/a", "x/b", "y/c", "runs/d"):
        make_run(name)

    assert [line.split()[0] for line in listed("x", "y/c", "x/a")[1:]] == ["x/a", "x/b", "y/c"]


def test_names_cannot_steer_a_terminal() -> None:
    make_run("runs/a\x1b[31m\nb\u202e", corpus="\x1b]0;c\a")

    (line,) = listed(columns=200)[1:]
    assert r"runs/a\x1b[31m\nb\u202e" in line and "\x1b" not in line


def test_everything_is_there_for_programs() -> None:
    make_run("runs/a", saved=86400, seed=7)

    (entry,) = json.loads("\n".join(listed("--json")))
    assert entry["config"]["seed"] == 7
    assert entry["saved"] == "1970-01-02T00:00:00Z"
    assert (entry["epochs_done"], entry["best_epoch"], entry["best_heldout_perplexity"]) == (3, 2, 200)
    assert entry["best_bits_per_character"] == pytest.approx(7.643856)
    assert (entry["last_heldout_perplexity"], entry["last_train_perplexity"]) == (250, pytest.approx(400 / 3))


def test_two_hundred_runs_are_listed_and_the_newest_found_without_mxnet() -> None:
    for k in range(200):
        make_run(f"runs/run-{k}", saved=1 + k % 199)
    code = "import sys; from d2lrnn import runs; from d2lrnn.running.folder import newest_run\n"
    code += "runs.main([]); runs.main(['compare', 'runs/run-1', 'runs/run-2']); print(newest_run())\n"
    code += "print({'mxnet'} & set(sys.modules))"

    lines = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.splitlines()

    assert len([line for line in lines if "  stopped" in line]) == 200 + 1
    assert lines[-2:] == ["runs/run-198", "set()"]


# --- comparing ---


def compare(*arguments: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    assert runs.main(["compare", *arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out.splitlines()


def test_settings_that_differ_are_named_and_others_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    make_run("a", lr=0.005, seed=1, deterministic=False, prefix=["x"], heldout=[8, 4])
    make_run("b", lr=0.01, seed=1, prefix=["x", "y"], heldout=[8, 4, 2])

    cells = [re.split("  +", line.strip()) for line in compare("a", "b", capsys=capsys)]

    assert cells[:4] == [["a", "b"], ["2 settings differ"], ["lr", "0.005", "0.01"], ["prefix", "x", "x, y"]]
    assert ["best held out", "4.0", "2.0"] in cells
    assert ["bits per character", "2.000", "1.000"] in cells
    assert ["at epoch", "2", "3"] in cells
    assert ["epochs done", "2/4", "3/4"] in cells
    assert cells[-1] == ["compare.svg shows their curves"]


def test_a_setting_that_an_old_run_does_not_have_is_what_it_meant_then(
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_run("old")
    make_run("same", deterministic=False)
    make_run("other", deterministic=True)

    assert "all settings are the same" in compare("old", "same", capsys=capsys)
    assert "deterministic         False       True" in compare("old", "other", capsys=capsys)


def test_curves_lie_over_each_other_and_names_of_any_kind_are_written_as_they_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = ["_a", "$x^2$ & <b>", "里面", "c\x07d", "e" * 100]
    for k, name in enumerate(names):
        make_run(name, heldout=[9, 5 + k, 6])

    compare(*names, "--out", "all.svg", capsys=capsys)
    svg = Path("all.svg").read_bytes()
    texts = ["".join(text.itertext()).strip() for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]

    assert [text for text in texts if text in [*names, r"c\x07d"]] == [*names[:3], r"c\x07d", names[4]]
    lines = [path for path in ElementTree.fromstring(svg).iter(f"{SVG}path") if is_curve(path)]
    assert len([path for path in lines if "dasharray" in path.get("style", "")]) == len(names)
    assert len([path for path in lines if "dasharray" not in path.get("style", "")]) == len(names)
    compare(*names, "--out", "again.svg", capsys=capsys)
    assert Path("again.svg").read_bytes() == svg


SVG = "{http://www.w3.org/2000/svg}"


def is_curve(path: ElementTree.Element) -> bool:
    """Whether a path has three points, as the runs have epochs, and is no sample in the legend."""
    points = re.findall(r"[ML] \S+ (\S+)", path.get("d", ""))
    return len(points) == 3 and len(set(points)) > 1 and "z" not in path.get("d", "")


def test_runs_on_other_texts_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    for name, sha256 in (("a", "1"), ("b", "1"), ("c", "2")):
        make_run(name, facts={"corpus_sha256": sha256, "heldout_chars": 60})

    assert not [line for line in compare("a", "b", capsys=capsys) if "held-out texts" in line]
    assert [line for line in compare("a", "c", capsys=capsys) if "held-out texts are not the same" in line]
    for name, measured in (("d", 60), ("e", 40)):  # an older run, as a is, has measured all
        make_run(name, facts={"corpus_sha256": "1", "heldout_chars": 60, "heldout_measured": measured})
    assert not [line for line in compare("a", "d", capsys=capsys) if "held-out texts" in line]
    assert [line for line in compare("d", "e", capsys=capsys) if "held-out texts are not the same" in line]


def test_runs_without_a_whole_epoch_are_compared_without_a_picture(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in "ab":
        make_run(name, heldout=[])

    assert compare("a", "b", capsys=capsys)[-1] == "no epoch is over: there are no curves"
    assert not Path("compare.svg").exists()


def test_a_comparison_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    make_run("a", seed=1)
    make_run("b", seed=2)

    read = json.loads("\n".join(compare("a", "b", "--json", capsys=capsys)))
    assert read["differ"] == {"seed": [1, 2]}
    assert [run["run"] for run in read["runs"]] == ["a", "b"]
    assert read["curves"] == "compare.svg"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "no run in runs/: name the directory of one"),
        (["nowhere"], "no run in nowhere/"),
        (["a", "empty"], "no run in empty/"),
        (["--newest"], "--newest"),
        (["compare"], "RUN"),
        (["compare", "a"], "only a is to be compared: give two runs or more"),
        (["compare", "a", "a"], "only a is to be compared"),
        (["compare", "a", "nowhere"], "nowhere is not a run directory"),
        (["compare", "a", "damaged"], "damaged/checkpoints/000002/facts.json is damaged"),
        (["compare", "a", "b", "--out", "empty"], "empty is not a file"),
        (["compare", "a", "b", "--out", "no/such.svg"], "No such file"),
    ],
    ids=str,
)
def test_a_mistake_is_answered_in_one_line(
    given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run("a"), make_run("b")
    break_facts(make_run("damaged"))
    Path("empty").mkdir()
    before = sorted(os.listdir())

    assert exit_code_of(runs.main, given) == 2

    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err
    assert sorted(os.listdir()) == before
