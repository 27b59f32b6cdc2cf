"""The whole way, with the real jail: a class, from files to reports, again, later, in another order."""

import csv
import ctypes
import dataclasses
import json
import os
import signal
import stat
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

from d2lrnn import CHAPTERS, grade
from d2lrnn.grading import cases, outcomes, pool, results
from d2lrnn.grading.archives import MAX_BYTES
from d2lrnn.grading.jail import Jail, JailError
from d2lrnn.grading.marking import POINTS_FILE, Exam
from d2lrnn.grading.skeleton import submission_text
from d2lrnn.grading.submissions import Cell, Submission

import exports
import pytest
from in_process import asking_with, lessons, refusal

PR_GET_DUMPABLE, PR_SET_DUMPABLE = 3, 4
LESSONS = (3, 5, 6)
SOME = ("--lesson", *(CHAPTERS[lesson][0] for lesson in LESSONS), "-j", "1")
NAMES = [name for lesson in LESSONS for name in CHAPTERS[lesson][1].split()]
RIGHT = lessons(*LESSONS)
WRONG = RIGHT.replace(
    "-nd.pick(nd.log_softmax(logits), label).mean()", "-nd.pick(nd.log_softmax(logits), label).sum()"
)
TABLE = (
    RIGHT.replace("def perplexity(", "def unused(")
    + "def perplexity(nats):\n    return {0.0: 1.0}.get(nats, 2.0)\n"
)
LOOP = RIGHT + "\n\ndef grad_clipping(params, theta):\n    while True:\n        pass\n"


def notebook(*cells: str) -> str:
    return json.dumps({"cells": [{"cell_type": "code", "source": cell} for cell in cells]})


@pytest.fixture
def one_jail(jail: Jail, monkeypatch: pytest.MonkeyPatch) -> None:
    """A jail takes seconds to start: let all tests share one, in this process."""
    monkeypatch.setattr(pool.Pool, "ask", asking_with(jail))


@pytest.fixture
def class_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "class"
    (folder / "bob").mkdir(parents=True)
    (folder / "alice.py").write_text(RIGHT)
    (folder / "bob" / "submission.py").write_text(WRONG)
    (folder / "carol.ipynb").write_text(notebook("%matplotlib inline", RIGHT, "oops", "def one_hot(:"))
    (folder / "dave.py").write_text("import numpy\n\nx = (1\n")
    (folder / "eve.py").write_text(submission_text(LESSONS, NAMES))
    (folder / "frank.py").write_bytes(b"\xff\xfe\0")
    return folder


def grades(out: Path) -> dict[str, dict[str, str]]:
    with (out / "grades.csv").open() as file:
        return {row["submission"]: row for row in csv.DictReader(file)}


@pytest.mark.slow
@pytest.mark.usefixtures("one_jail")
class TestClass:
    def test_is_graded(self, class_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        out = tmp_path / "out"

        code = grade.main([str(class_folder), "--out", str(out), *SOME])

        assert code == 0
        found = grades(out)
        assert {name: row["status"] for name, row in found.items()} == {
            "alice": "graded", "bob": "graded", "carol": "graded", "dave": "error", "eve": "graded",
            "frank": "unreadable",
        }  # fmt: skip
        noted = {"carol": "cell 4", "dave": "(line 3)", "frank": "frank.py"}  # carol's cell 3 defines nothing
        assert {name for name, row in found.items() if row["note"]} == set(noted)
        assert all(words in found[name]["note"] for name, words in noted.items())
        scores = {name: float(row["score"]) for name, row in found.items()}
        best = float(found["alice"]["max_score"])
        assert scores["alice"] == scores["carol"] == best
        assert scores["dave"] == scores["eve"] == scores["frank"] == 0
        assert 0 < scores["bob"] < best
        assert [n for n in NAMES if found["bob"][n] != found["alice"][n]] == ["cross_entropy"]
        for name in found:
            page = (out / "feedback" / name / "feedback.html").read_text("utf-8")
            tests = json.loads((out / "feedback" / name / "results.json").read_text("utf-8"))
            assert "Isolation: best" in page
            assert tests["score"] == scores[name]
        assert "mean" in (out / "feedback" / "bob" / "feedback.html").read_text("utf-8")
        assert "isolation: best" in capsys.readouterr().out
        assert stat.S_IMODE((out / "seed").stat().st_mode) == 0o600
        assert (out / "seed").read_text().strip() not in (out / "feedback/bob/results.json").read_text()

    def test_again_and_in_another_order_it_gets_the_same(self, class_folder: Path, tmp_path: Path) -> None:
        one, other = tmp_path / "one", tmp_path / "other"
        (tmp_path / "seed").write_text("123456789\n")
        files = sorted(map(str, class_folder.iterdir()))

        grade.main([*files, "--out", str(one), "--seed", str(tmp_path / "seed"), *SOME])
        grade.main([*files[::-1], "--out", str(other), "--seed", "123456789", *SOME])

        assert (one / "grades.csv").read_text() == (other / "grades.csv").read_text()
        assert (one / "suspicions.jsonl").read_text() == (other / "suspicions.jsonl").read_text()

    def test_what_was_graded_is_not_asked_again(
        self,
        class_folder: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        out = tmp_path / "out"
        asked: list[str] = []
        stops = iter([3, 9])
        stop = next(stops)
        ask_examples, ask_hidden = pool.ask_examples, pool.ask_hidden

        def count(name: str) -> None:
            asked.append(name)
            if len(asked) == stop:
                raise KeyboardInterrupt

        def examples(submission: Any, exam: Any, jail: Any) -> Any:
            count(submission.name)
            return ask_examples(submission, exam, jail)

        def hidden(shown: Any, exam: Any, jail: Any) -> Any:
            count(f"{shown.submission.name}'s hidden")
            return ask_hidden(shown, exam, jail)

        monkeypatch.setattr(pool, "ask_examples", examples)
        monkeypatch.setattr(pool, "ask_hidden", hidden)
        assert grade.main([str(class_folder), "--out", str(out), *SOME]) == 130
        assert "the same command goes on" in capsys.readouterr().err
        stop = next(stops)
        assert grade.main([str(class_folder), "--out", str(out), *SOME]) == 130
        stop = 0
        assert grade.main([str(class_folder), "--out", str(out), *SOME]) == 0
        names = ["alice", "bob", "carol", "dave", "eve", "frank"]
        assert asked[:3] == names[:3]  # carol's were interrupted
        assert asked[3:9] == [*names[2:], "alice's hidden", "bob's hidden"]
        assert sorted(asked[9:]) == sorted(f"{name}'s hidden" for name in names[1:])

        del asked[:]
        late = tmp_path / "zoe.py"
        late.write_text(RIGHT)
        before = grades(out)
        assert grade.main([str(late), "--out", str(out), *SOME]) == 0
        assert asked == ["zoe", "zoe's hidden"]
        assert {name: row for name, row in grades(out).items() if name != "zoe"} == before
        (class_folder / "alice.py").write_text(WRONG)  # handed in again
        assert grade.main([str(class_folder), "--out", str(out), *SOME]) == 0
        assert asked[2:] == ["alice", "alice's hidden"]
        assert grades(out)["alice"]["score"] == before["bob"]["score"]
        lines = [json.loads(line) for line in (out / "suspicions.jsonl").read_text().splitlines()]
        assert {(line["submission"], line["what"]) for line in lines} == {
            ("alice", "the same text as bob"), ("bob", "the same text as alice")
        }  # fmt: skip

    def test_who_was_graded_earlier_is_not_left_out_in_silence(
        self, class_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "out"
        files = {name: str(class_folder / f"{name}.py") for name in ("alice", "dave", "eve", "frank")}
        grade.main([*files.values(), "--out", str(out), *SOME])
        before = grades(out)
        alice, dave, eve, _ = sorted((out / "outcomes").iterdir())
        alice.write_text(alice.read_text()[:1000])
        dave.write_text("{}")
        eve.write_text(json.dumps({**json.loads(eve.read_text()), "exam": "of another version"}))
        capsys.readouterr()

        grade.main([files["frank"], "--out", str(out), *SOME])
        lines = capsys.readouterr().err.splitlines()
        grade.main([*files.values(), "--out", str(out), *SOME])

        assert [name for line in lines for name in files if name in line] == ["alice", "dave", "eve"]
        assert grades(out) == before

    def test_other_points_need_no_questions(
        self, class_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out, points = tmp_path / "out", tmp_path / "points.toml"
        grade.main([str(class_folder), "--out", str(out), *SOME])
        assert grade.main(["--write-points", str(points), *SOME]) == 0
        text = points.read_text("utf-8")
        points.write_text(
            text.replace("[cross_entropy]", "[cross_entropy]\n").replace(" = 2\n", " = 0\n"), "utf-8"
        )
        for name in ("ask_examples", "ask_hidden"):
            monkeypatch.setattr(pool, name, lambda *_: pytest.fail("asked"))

        code = grade.main([str(class_folder), "--out", str(out), "--points", str(points), *SOME])

        assert code == 0
        assert float(grades(out)["alice"]["max_score"]) < sum(
            float(line.rpartition(" = ")[2]) for line in text.splitlines() if " = " in line and line[0] == '"'
        )
        assert grades(out)["alice"]["score"] == grades(out)["alice"]["max_score"]

    def test_an_export_of_a_platform_is_graded_with_its_roster(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out, archive = tmp_path / "out", tmp_path / "export.zip"
        who = "Homework_zhou01_attempt_2026-10-0"
        members = {
            f"{who}1-09-00-00_a.py": RIGHT,
            f"{who}3-09-00-00_a.py": WRONG,
            f"{who}3-09-00-00.txt": "Name: 周杰伦 (zhou01)\n",
            "Homework_kim01_attempt_2026-10-01-09-00-00_a.py": "x" * 200 + "\n" * 3,
        }
        archive.write_bytes(exports.zipped(members))
        (tmp_path / "roster.csv").write_text("id;name\nzhou01;周杰伦\nwang01;王伟\n")
        late = "[late]\ndue = 2026-10-01T23:59:00\npercent = 10\n"
        (tmp_path / "points.toml").write_text(POINTS_FILE.read_text("utf-8") + late)
        command = [str(archive), "--out", str(out), *SOME, "--lesson", "loss"]
        command += ["--points", str(tmp_path / "points.toml"), "--roster", str(tmp_path / "roster.csv")]

        assert grade.main(command) == 0
        last = grades(out)
        assert grade.main([*command, "--attempts", "best", "--title", "RNN"]) == 0
        best = grades(out)

        assert last["周杰伦"]["days_late"] == "2"
        assert float(last["周杰伦"]["score"]) < 0.8 * float(last["周杰伦"]["max_score"])
        assert best["周杰伦"]["score"] == best["周杰伦"]["max_score"]
        assert [row["attempt"] for row in (last["周杰伦"], best["周杰伦"])] == ["2", "1"]
        assert last["wang01"]["status"] == "missing"
        assert "1 of the roster handed in nothing: 王伟" in capsys.readouterr().out
        assert "zhou01" in (out / "imports" / "blackboard.csv").read_text()
        assert "周杰伦,score," in (out / "changes.csv").read_text()
        assert "[late]" in (out / "points.toml").read_text("utf-8")

    def test_hard_coded_answers_earn_the_public_share(self, tmp_path: Path) -> None:
        out = tmp_path / "out"
        (tmp_path / "table.py").write_text(TABLE)
        (tmp_path / "alice.py").write_text(RIGHT)

        grade.main([str(tmp_path / "table.py"), str(tmp_path / "alice.py"), "--out", str(out), *SOME])

        found = grades(out)
        assert float(found["table"]["perplexity"]) <= 0.3 * float(found["alice"]["perplexity"])
        assert found["table"]["cross_entropy"] == found["alice"]["cross_entropy"]

    def test_broken_files_in_an_archive_are_one_line_each(self, tmp_path: Path) -> None:
        archive = tmp_path / "class.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("class/alice/submission.py", RIGHT)
            file.writestr("class/empty.py", "")
            file.writestr("class/huge.py", b"#" * (50 * 2**20))
            file.writestr("class/latin.py", "# é\n".encode("latin-1"))
            file.writestr("class/prose.py", "Dear professor,\n")
            file.writestr("class/cells.ipynb", notebook())
            file.writestr("class/../../evil.py", RIGHT)

        assert grade.main([str(archive), "--out", str(tmp_path / "out"), *SOME]) == 0

        notes = {name: row["note"] for name, row in grades(tmp_path / "out").items()}
        words = {
            "alice": "", "cells": "cells.ipynb", "empty": "empty.py", "evil": "outside", "latin": "UTF-8",
            "huge": f"{MAX_BYTES:,}", "prose": "(line 1)",
        }  # fmt: skip
        assert {name: words[name] in note for name, note in notes.items()} == dict.fromkeys(words, True)
        assert notes["alice"] == ""

    def test_an_endless_loop_costs_its_function_only(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hasty = [dataclasses.replace(case, seconds=2.0) for case in cases.CASES]
        monkeypatch.setattr(cases, "CASES", hasty)
        monkeypatch.setattr("d2lrnn.grading.marking.WAITS_OF_A_FUNCTION", 1)
        out = tmp_path / "out"
        for name, text in {"alice": RIGHT, "loop": LOOP}.items():
            (tmp_path / f"{name}.py").write_text(text)

        grade.main([str(tmp_path / "alice.py"), str(tmp_path / "loop.py"), "--out", str(out), *SOME])

        found = grades(out)
        assert found["loop"]["grad_clipping"] == "0"
        assert all(found["loop"][n] == found["alice"][n] for n in NAMES if n != "grad_clipping")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "nothing to grade"),
        (["a.py"], "--out"),
        (["nowhere.py", "--out", "out"], "nowhere.py"),
        (["a.py", "--out", "out", "--lesson", "poetry"], "--lesson poetry"),
        (["a.py", "--out", "out", "--seed", "x"], "--seed x"),
        (["a.py", "--out", "out", "--points", "nowhere.toml"], "nowhere.toml"),
        (["a.py", "--out", "a.py"], "a.py"),
        (["a.py", "--out", "graded", "--seed", "8"], "graded was graded with another seed"),
        (["a.py", "--out", "out", "--isolation", "none"], "--isolation"),
        (["a.py", "--out", "out", "-j", "0"], "-j 0"),
        (["a.py", "--out", "out", "--attempt", "0"], "--attempt 0"),
        (["a.py", "--out", "out", "--attempt", "a.py"], "--attempt a.py"),
        (["a.py", "--out", "out", "--attempts", "first"], "--attempts"),
        (["a.py", "--out", "out", "--roster", "nowhere.csv"], "nowhere.csv"),
        (["a.py", "--out", "out", "--roster", "a.py"], "a.py: its first line"),
        (["a.py", "--out", "out", "--zip-names", "klingon"], "--zip-names klingon"),
        (["--write-points", "a.py"], "a.py"),
        (["--gradescope", "a.py"], "a.py"),
    ],
)
def test_mistakes_of_the_user_are_one_line(
    arguments: list[str], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "graded").mkdir()
    (tmp_path / "graded" / "seed").write_text("7\n")

    assert named in refusal(grade.main, arguments, capsys)


@pytest.mark.slow
def test_a_jail_that_cannot_be_had_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(isolation: str) -> Jail:
        raise JailError(f"no {isolation} here")

    monkeypatch.setattr(pool, "Jail", refused)
    (tmp_path / "a.py").write_text("x = 1\n")
    arguments = [str(tmp_path / "a.py"), "--out", str(tmp_path / "out"), "--isolation", "strict", *SOME]

    assert refusal(grade.main, arguments, capsys) == "no strict here"


@pytest.mark.slow
def test_two_processes_grade_as_one_does_even_when_stopped_between(
    class_folder: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "d2lrnn.grade", str(class_folder), "--seed", "5", *SOME]
    folders = {jobs: tmp_path / jobs for jobs in ("1", "2")}
    (class_folder / "zoe.py").write_text("while True:\n    pass\n")
    with subprocess.Popen(
        [*command, "--out", str(folders["2"]), "-j", "2"], stderr=subprocess.PIPE, text=True
    ) as first:
        while first.poll() is None and not list(folders["2"].glob("outcomes/*.json")):
            time.sleep(0.05)
        first.send_signal(signal.SIGINT)
        assert first.stderr
        said = first.stderr.read()
    assert (first.returncode, said.count("\n")) == (130, 1), said
    (class_folder / "zoe.py").unlink()

    runs = [
        subprocess.run([*command, "--out", str(out), "-j", jobs], capture_output=True, text=True)
        for jobs, out in folders.items()
    ]

    assert [run.returncode for run in runs] == [0, 0], runs
    assert (folders["1"] / "grades.csv").read_text() == (folders["2"] / "grades.csv").read_text()
    assert " of 6 were asked before" in runs[1].stdout
    assert runs[0].stdout.replace("/1/", "/2/") == runs[1].stdout.partition("\n")[2]
    assert all("Traceback" not in run.stderr for run in runs)


@pytest.mark.slow
def test_a_terminal_that_is_closed_ends_the_grader_and_all_its_processes(tmp_path: Path) -> None:
    names = ["ada", *(f"zoe_{k}" for k in range(20))]  # long after the first is done there is more to do
    for name in names:
        (tmp_path / f"{name}.py").write_text("x = 1\n" if name == "ada" else "while True:\n    pass\n")
    submissions = [str(tmp_path / f"{name}.py") for name in names]
    options = ["--out", str(tmp_path / "out"), *SOME, "-j", "2"]
    command = [sys.executable, "-m", "d2lrnn.grade", *submissions, *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as grader:
        while grader.poll() is None and not list(tmp_path.glob("out/outcomes/*.json")):
            time.sleep(0.05)
        os.killpg(grader.pid, signal.SIGHUP)
        assert grader.stderr
        said = grader.stderr.read()

    assert (grader.returncode, said.count("\n")) == (129, 1), said
    assert "same command" in said


def test_a_patch_to_what_decides_no_outcome_leaves_the_earlier_ones_valid() -> None:
    deciding = outcomes.deciding_modules()

    assert {"__init__", "compat", "checks", "rnn", "dist", "engine.layers", "engine.kvstore"} <= deciding
    assert {
        f"grading.{name}" for name in ("marking", "cases.rnn", "drivers", "worker", "seccomp")
    } <= deciding
    assert not {"train", "grade", "running.run", "launching.job", "grading.report"} & deciding


class Prepared(Exception):
    pass


def test_what_holds_the_hidden_questions_is_closed_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(exam: Exam, jobs: int) -> None:
        raise Prepared

    monkeypatch.setattr(Exam, "prepare", prepare)
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # as a process begins
    submissions = [Submission(name, f"{name}.py", (Cell(0, RIGHT),)) for name in ("alice", "bob")]

    with pytest.raises(Prepared):
        results.Results(tmp_path, None, None).grade(submissions, Exam([], 1), "best", 2)

    assert prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0
