"""What a student begins with comes from the package itself; `check` says what a student needs to know."""

import ast
import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import d2lrnn
from d2lrnn import CHAPTERS, assignment
from d2lrnn.grading.cases import CASES, GRADED
from d2lrnn.grading.skeleton import chapter_of, find_lessons, notebook, submission_text

import nbclient
import nbformat
import pytest
from in_process import lessons, refusal

from audits.class_of_60 import right

ROOT = Path(d2lrnn.__file__).parent.parent
RIGHT = lessons(3, 5).replace("from mxnet", "import d2lrnn\nfrom mxnet", 1)
HALF = RIGHT.replace("nd.log_softmax(logits), label).mean()", "nd.log_softmax(logits), label).sum()").replace(
    "def perplexity", "def something_else"
)


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "d2lrnn.assignment", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


def imported(text: str, folder: Path) -> ModuleType:
    path = folder / "mine.py"
    path.write_text(text, "utf-8")
    spec = importlib.util.spec_from_file_location("mine", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- new -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def skeleton(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return imported(submission_text(list(CHAPTERS), GRADED), tmp_path_factory.mktemp("new"))


@pytest.mark.parametrize("name", GRADED)
def test_signature_and_docstring_are_those_of_the_package(name: str, skeleton: ModuleType) -> None:
    ours, theirs = getattr(d2lrnn, name), getattr(skeleton, name)
    methods = [m for m in vars(ours) if inspect.isfunction(getattr(ours, m))] if inspect.isclass(ours) else []

    pairs = [(getattr(ours, m), getattr(theirs, m)) for m in methods] or [(ours, theirs)]
    for our, their in pairs:
        parameters = [inspect.signature(f).parameters.values() for f in (our, their)]
        assert [(p.name, p.kind, p.annotation) for p in parameters[0]] == [
            (p.name, p.kind, p.annotation) for p in parameters[1]
        ]
        assert [p.default for p in parameters[0] if not callable(p.default)] == [
            p.default for p in parameters[1] if not callable(p.default)
        ]
        assert our.__doc__ == their.__doc__
    assert ours.__doc__ == theirs.__doc__


def test_nothing_is_left_of_the_bodies(skeleton: ModuleType) -> None:
    text = submission_text(list(CHAPTERS), GRADED)
    bodies = [part.body for part in ast.walk(ast.parse(text)) if isinstance(part, ast.FunctionDef)]

    for body in bodies:
        *docstring, last = body
        assert len(docstring) <= 1
        assert isinstance(last, ast.Raise)
    assert len(bodies) >= len(GRADED) - 3


@pytest.mark.parametrize("name", [name for name in GRADED if inspect.isfunction(getattr(d2lrnn, name))])
def test_what_is_not_written_says_where_it_is_taught(name: str, skeleton: ModuleType) -> None:
    function = getattr(skeleton, name)
    parameters = inspect.signature(function).parameters.values()
    arguments = {p.name: None for p in parameters if p.default is p.empty and p.kind != p.VAR_KEYWORD}

    with pytest.raises(NotImplementedError) as error:
        function(**arguments)

    assert error.value.args == (f"{name}: lesson {GRADED[name]}, {chapter_of(GRADED[name])}",)
    assert (ROOT / chapter_of(GRADED[name])).exists()


@pytest.mark.parametrize("lesson", CHAPTERS)
def test_a_lesson_alone_can_be_imported(lesson: int, tmp_path: Path) -> None:
    text = submission_text([lesson], GRADED)

    module = imported(text, tmp_path)

    assert {name for name in GRADED if name in vars(module) and f"def {name}(" in text} == {
        name
        for name, number in GRADED.items()
        if number == lesson and inspect.isfunction(getattr(d2lrnn, name))
    }


def test_the_text_is_as_well_kept_as_the_package(tmp_path: Path) -> None:
    (tmp_path / "submission.py").write_text(submission_text(list(CHAPTERS), GRADED), "utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    here = {"cwd": tmp_path, "capture_output": True, "text": True}

    format_ = subprocess.run([*ruff, "format", "--line-length", "110", "--check", "."], **here)  # type: ignore[call-overload]
    lint = subprocess.run(
        [*ruff, "check", "--line-length", "110", "--select", "E,F,W", "--output-format", "concise", "."],
        **here,
    )  # type: ignore[call-overload]

    assert format_.returncode == 0, format_.stdout
    found = [line for line in lint.stdout.splitlines() if line.startswith("submission.py")]
    assert all("`mxnet.autograd` imported but unused" in line for line in found), lint.stdout  # yet


def test_the_notebook_has_a_cell_for_every_function(tmp_path: Path) -> None:
    text = notebook([3, 4], GRADED, tmp_path)

    parsed = nbformat.reads(text, as_version=4)
    nbformat.validate(parsed)
    tagged = [cell.source for cell in parsed.cells if "submission" in cell.metadata.get("tags", [])]
    words = [cell.source for cell in parsed.cells if cell.cell_type == "markdown"]
    for name in (name for name, lesson in GRADED.items() if lesson in (3, 4)):
        assert sum(cell.startswith(f"def {name}(") for cell in tagged) == 1
        (page,) = [cell for cell in words if cell.startswith(f"## {name}".replace("_", "\\_"))]
        (link,) = re.findall(r"\]\((.*?)\)", page)
        assert (tmp_path / link).resolve() == ROOT / chapter_of(GRADED[name])
    assert parsed.cells[-1].source == "from d2lrnn.assignment import check\n\ncheck()"
    assert "tags" not in parsed.cells[-1].metadata


def test_new_writes_two_files_and_overwrites_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "mine"

    assert assignment.main(["new", str(folder), "--lesson", "onehot", "5"]) == 0
    assert sorted(path.name for path in folder.iterdir()) == ["exercises.ipynb", "submission.py"]
    assert "def perplexity" in (folder / "submission.py").read_text("utf-8")
    (folder / "exercises.ipynb").unlink()
    (folder / "submission.py").write_text("my work\n")

    assert assignment.main(["new", str(folder)]) == 2

    assert (folder / "submission.py").read_text() == "my work\n"
    assert not (folder / "exercises.ipynb").exists()
    assert "submission.py" in capsys.readouterr().err


def test_lessons_have_names_and_numbers() -> None:
    assert find_lessons(["rnn", "3", "onehot"]) == [3, 4]
    assert find_lessons(None) == list(CHAPTERS)
    with pytest.raises(ValueError, match="--lesson 21"):
        find_lessons(["21"])


# --- check -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_check_says_what_is_right_what_is_not_and_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "submission.py").write_text(HALF)

    done = run("check", str(tmp_path), "--lesson", "onehot", "loss")

    assert done.returncode == 1, done.stderr
    assert re.search(r"^✓ one_hot +(\d) of \1$", done.stdout, re.M)
    assert re.search(r"^✗ cross_entropy +\d of \d$", done.stdout, re.M)
    assert "cross_entropy with logits = [[" in done.stdout  # the smallest input that shows it
    assert re.search(r"the mean", done.stdout)  # the likely misconception
    assert "· not written yet: perplexity" in done.stdout
    assert "log_softmax" not in done.stdout  # never the solution's code
    assert "\x1b" not in done.stdout  # no terminal
    assert done.stdout.endswith("2 of 3 written functions are right\n")
    assert done.stderr == ""


@pytest.mark.slow
def test_check_asks_the_lessons_of_which_there_is_something(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "submission.py").write_text("def perplexity(nats_per_char):\n    return 2.0\n")

    assert assignment.main(["check", str(tmp_path)]) == 1

    out = capsys.readouterr().out
    assert "✗ perplexity" in out
    assert "· not written yet: cross_entropy\n0 of 1" in out


@pytest.mark.slow
def test_check_exits_with_0_when_all_that_is_written_is_right(tmp_path: Path) -> None:
    assignment.main(["new", str(tmp_path), "--lesson", "onehot"])
    assert assignment.main(["check", str(tmp_path), "--lesson", "onehot"]) == 0
    (tmp_path / "submission.py").write_text(RIGHT)
    assert assignment.main(["check", str(tmp_path / "submission.py"), "--lesson", "onehot"]) == 0


@pytest.mark.slow
def test_all_examples_take_seconds(tmp_path: Path) -> None:
    (tmp_path / "submission.py").write_text(right())
    timed = """if True:
        import sys, time
        from d2lrnn import assignment, rnn
        loaded = time.process_time()
        code = assignment.main(["check", sys.argv[1]])
        print(code, loaded, time.process_time() - loaded)"""  # a process that no other test has filled
    command = [sys.executable, "-c", timed, str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    code, loaded, seconds = said[-1].split()

    assert code == "0", said
    assert f"{len(GRADED)} of {len(GRADED)} written functions are right" in said[-2], said
    assert len(CASES) > 100
    # Of ours, against what loading Python and MXNet takes; that of the worker is in the report of the class.
    assert float(seconds) < 4 * float(loaded)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["check", "nowhere.py"], "nowhere.py"),
        (["check", "empty.py"], "empty.py"),
        (["check", "folder"], ".ipynb"),
        (["new", "there", "--lesson", "poetry"], "--lesson poetry"),
        (["new", "empty.py"], "empty.py"),
        ([], "command"),
    ],
)
def test_mistakes_of_the_user_are_one_line(
    arguments: list[str], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "folder").mkdir()

    assert named in refusal(assignment.main, arguments, capsys)


@pytest.mark.slow
def test_one_cell_of_a_notebook_asks(tmp_path: Path) -> None:
    cells = [
        RIGHT.replace("nd.log_softmax(logits), label).mean()", "nd.log_softmax(logits), label).sum()"),
        "from d2lrnn.assignment import check, passes\n%time pass",
        "check(lesson='onehot')",
        "assert passes('perplexity', seed=3)",
        "assert not passes('cross_entropy')",
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])

    nbclient.NotebookClient(book, timeout=500, kernel_name="python3").execute(cwd=str(tmp_path))

    texts = ["".join(out.get("text", "") for out in cell.outputs) for cell in book.cells]
    assert "✓ one_hot" in texts[2]
    assert "2 of 2 written functions are right" in texts[2]
    assert texts[3] == ""
    assert "✗ cross_entropy" in texts[4]


def test_outside_a_notebook_a_path_is_needed() -> None:
    with pytest.raises(ValueError, match="no notebook here"):
        assignment.check()
    with pytest.raises(ValueError, match="'exp'"):
        assignment.passes("exp", "submission.py")
