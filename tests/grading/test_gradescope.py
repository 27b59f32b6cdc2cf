"""The autograder for Gradescope is unpacked as Gradescope unpacks it, and run."""

import json
import os
import shlex
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

from d2lrnn import grade
from d2lrnn.corpora import shipped
from d2lrnn.grading import results

import pytest
from in_process import lessons

RIGHT = lessons(3, 5)

BARE = """
import runpy, sys

for name in ("matplotlib", "safetensors"):
    sys.modules[name] = None  # it cannot be imported
runpy.run_module(sys.argv.pop(1), run_name="__main__")
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out like /autograder."""
    root = tmp_path_factory.mktemp("autograder")
    archive = root / "autograder.zip"
    points = root / "points.toml"
    grade.main(["--write-points", str(points)])
    points.write_text(points.read_text("utf-8").replace("public = 0.3", "public = 0.5"), "utf-8")
    code = grade.main(
        ["--gradescope", str(archive), "--seed", "42", "--points", str(points), "--lesson", "onehot", "loss"]
    )
    assert code == 0
    for name in ("source", "submission"):
        (root / name).mkdir()
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            path = Path(file.extract(info, root / "source"))
            path.chmod(stat.S_IMODE(info.external_attr >> 16))
    return root


def test_the_archive_holds_what_it_needs(root: Path) -> None:
    source = root / "source"

    assert os.access(source / "setup.sh", os.X_OK)
    assert os.access(source / "run_autograder", os.X_OK)
    assert stat.S_IMODE((source / "seed").stat().st_mode) == 0o600
    assert (source / "seed").read_text() == "42\n"
    assert "public = 0.5" in (source / "points.toml").read_text("utf-8")
    assert "mxnet==1.9.1" in (source / "requirements.txt").read_text()
    for name in ("lyrics.txt", "songci.txt.xz", "timemachine.txt.xz"):
        assert (source / "d2lrnn/data" / name).read_bytes() == shipped(f"data/{name}").read_bytes()
    for script in ("setup.sh", "run_autograder"):
        subprocess.run(["bash", "-n", str(source / script)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text", "score"),
    [("anything.py", RIGHT, 1.0), ("mine.py", "def one_hot(:\n", 0.0)],
    ids=["right", "a syntax error"],
)
def test_a_submission_is_graded(name: str, text: str, score: float, root: Path, tmp_path: Path) -> None:
    for file in (root / "submission").iterdir():
        file.unlink()
    (root / "submission" / name).write_text(text)
    python = tmp_path / "python"  # one that has what requirements.txt names, and nothing else that we use
    run = f'exec {sys.executable} -c {shlex.quote(BARE)} "$@"'
    python.write_text(f'#!/usr/bin/env bash\necho "$@" > arguments\nshift\n{run}\n')
    python.chmod(0o755)
    environment = {
        "AUTOGRADER_ROOT": str(root),
        "AUTOGRADER_PYTHON": str(python),
        "PATH": os.environ["PATH"],
    }

    (root / "submission_metadata.json").write_text(json.dumps({"previous_submissions": [{}, {}]}))
    arguments = tmp_path / "arguments"

    done = subprocess.run(
        [str(root / "source" / "run_autograder")],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    found = json.loads((root / "results" / "results.json").read_text("utf-8"))
    best = sum(test["max_score"] for test in found["tests"])
    assert found["score"] == score * best == sum(test["score"] for test in found["tests"])
    assert {test["visibility"] for test in found["tests"]} == {"visible"}
    assert found["stdout_visibility"] == "hidden"
    assert arguments.read_text().endswith(f" --attempt {root}/submission_metadata.json\n")
    assert "Isolation: " in found["output"]
    assert "(line 1)" in found["output"] or score
    assert {tag for test in found["tests"] for tag in test["tags"] if tag.startswith("lesson")} == {
        "lesson 3", "lesson 5"
    }  # fmt: skip


def test_gradescope_says_which_attempt_it_is(tmp_path: Path) -> None:
    metadata = tmp_path / "submission_metadata.json"
    for earlier in range(3):
        metadata.write_text(json.dumps({"id": 7, "previous_submissions": [{"score": "1.0"}] * earlier}))
        assert results.read_attempt(str(metadata)) == earlier + 1
    assert results.read_attempt("12") == 12
