"""What the READMEs promise is there, in both languages the same, and can be pasted from top to bottom.

A block is executed when it is marked sh or python. Those marked text are few, and named here.
"""

import importlib
import json
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

from d2lrnn import CountModel, evaluate_counts, load_corpus
from d2lrnn.running.dataset import load_dataset
from d2lrnn.running.settings import EARLY_STOP, Settings

import pytest
from checkout import ROOT, copy_checkout

READMES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh.md")}
NOT_EXECUTED = ["pip install d2lrnn-0.1.0-py3-none-any.whl"]  # first lines; this one needs the network
OURS = ("make test", "make train")  # minutes each: only `make door` executes them
MAY_BE_EMPTY = {".lock", "suspicions.jsonl"}
PERPLEXITY = 25  # where the text is learnt by heart: of the last epoch
COMMANDS = ("train", "predict", "evaluate", "export", "runs")


def blocks(text: str) -> list[tuple[str, str]]:
    """The fenced blocks in their order: how each is marked, and its lines."""
    return re.findall(r"(?ms)^```(\w*)\n(.*?)^```$", text)


# --- what can be read off -------------------------------------------------------------------------


def test_both_languages_show_the_same_code_samples_and_links() -> None:
    en, zh = READMES.values()

    assert blocks(en) == blocks(zh)
    assert re.findall(r"(?m)^> (.+)$", en) == re.findall(r"(?m)^> (.+)$", zh)
    links = [sorted(set(re.findall(r"\]\(([^)#]+)\)", text)) - set(READMES)) for text in (en, zh)]
    assert links[0] == links[1]


@pytest.mark.parametrize("name", READMES)
def test_links_lead_somewhere(name: str) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", READMES[name])
    headings = re.findall(r"(?m)^#+ (.+)$", READMES[name])

    assert len(links) > 10
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []
    anchors = {re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")) for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", READMES[name])) <= anchors


@pytest.mark.parametrize("name", READMES)
def test_every_make_target_and_flag_exists(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    targets = set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text()))
    assert set(re.findall(r"(?m)(?:`|^)make ([a-z]+)", READMES[name])) <= targets

    known = set()
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            importlib.import_module(f"d2lrnn.{command}").main(["--help"])
        known |= set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    prose = re.sub(r"`(pip|docker|conda|sudo) [^`]+`", "", READMES[name])
    prose = "".join(re.findall(r"`[^`\n]+`", re.sub(r"(?ms)^```.*?^```$", "", prose)))
    assert set(re.findall(r"--[a-z-]+", prose)) <= known | {"--no-deps"}


@pytest.mark.parametrize("name", [*READMES, "chapters/en/setup.md", "chapters/zh/setup.md"])
def test_what_to_install_first_is_what_make_asks_for(name: str) -> None:
    script = (ROOT / "setup/venv.sh").read_text(encoding="utf-8")
    asked = re.findall(r"(?m)^ +\w.*? {2,}((?:sudo|brew) .+)$", script)

    assert len(asked) == 3, "Debian, Fedora, macOS"
    text = (ROOT / name).read_text(encoding="utf-8")
    assert [line for line in asked if f"`{line}`" not in text] == []


@pytest.mark.parametrize("name", READMES)
def test_the_size_of_our_lyrics_is_as_printed(name: str) -> None:
    assert f"{len(load_corpus()):,}" in READMES[name]


@pytest.mark.parametrize("name", READMES)
def test_the_figures_of_the_default_run_are_those_of_its_picture_and_of_counting(name: str) -> None:
    shown = re.search(r"best ([\d.,]+) at epoch (\d+)", (ROOT / "benchmarks/curve.svg").read_text())
    assert shown, "the curve is labelled with its best value"
    best, epoch = shown[1], int(shown[2])
    dataset, settings = load_dataset(Settings()), Settings()
    pairs = evaluate_counts(
        CountModel(dataset.train_indices, len(dataset.vocab), 2), dataset.heldout_indices, settings.batch_size
    )

    assert float(best) < pairs
    figures = {best, f"{pairs:,.4g}", f"{len(dataset.vocab):,}"}
    assert figures <= set(re.findall(r"\d[\d.,]*\d", READMES[name]))
    said = map(int, re.findall(r"(?:epoch\s+|第 )(\d+)", READMES[name].split("\n> ")[0]))
    assert set(said) == {epoch, epoch + EARLY_STOP}


@pytest.mark.parametrize("name", READMES)
def test_every_block_is_executed_but_for_a_few_that_are_known(name: str) -> None:
    assert {mark for mark, _ in blocks(READMES[name])} <= {"sh", "python", "text"}
    assert [code.splitlines()[0] for mark, code in blocks(READMES[name]) if mark == "text"] == NOT_EXECUTED


# --- what can be executed -------------------------------------------------------------------------


def lend_environment(folder: Path) -> None:
    """A .venv in folder with the packages of the Python that runs this test, and with folder's own d2lrnn."""
    venv.create(folder / ".venv", symlinks=True)
    (site,) = (folder / ".venv").glob("lib/python*/site-packages")
    paths = [str(folder), *(path for path in sys.path if path.endswith("-packages"))]
    (site / "lent.pth").write_text("\n".join(paths))


def execute(folder: Path, mark: str, code: str, **variables: str) -> str:
    """What a reader sees who pastes a block into a shell, or into Python.

    Raises:
        AssertionError: a line of it has failed, has warned, or has printed a traceback.
    """
    command = {"sh": ["sh", "-e", "-c", code], "python": [".venv/bin/python", "-c", code]}[mark]
    environ = {  # without what `make door` and pytest tell their own processes
        name: os.environ[name]
        for name in os.environ
        if not name.startswith(("PYTEST", "MAKE", "MFLAGS", "VIRTUAL_ENV"))
    }
    done = subprocess.run(
        command, cwd=folder, env={**environ, **variables}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, f"{code}\nexit code {done.returncode}\n{done.stdout}"
    assert not re.search(r"Traceback|\b[Ww]arning|\b[Ee]rror\b", done.stdout), f"{code}\n{done.stdout}"
    return done.stdout


def check_sense(folder: Path, code: str, shown: str) -> None:
    """Networks have learnt, what they draw is no stammer, and each file that was asked for is there.

    Learnt: at their best they predict held-out text better than counting its characters. A stammer: fewer
    than half of its runs of four characters are different from all others.
    """
    if "train_and_predict_rnn" in code:
        last = re.findall(r"epoch +\d+, perplexity ([\d.]+)", shown)[-1]
        assert float(last) < PERPLEXITY, f"{code}: perplexity {last}"
    told = re.findall(r"best held-out ([\d.,]+) at .*, counting characters ([\d.,]+),", shown)
    assert len(told) == code.count("d2lrnn.train "), f"{code}\n{shown}"
    for best, counting in told:
        assert float(best.replace(",", "")) < float(counting.replace(",", "")), f"{code}: {best}"
    for line in code.splitlines():
        for out in re.findall(r"--out (\S+)", line):
            files = [path for path in [folder / out, *(folder / out).rglob("*")] if path.is_file()]
            empty = {path.name for path in files if not path.stat().st_size}
            assert files and empty <= MAY_BE_EMPTY, f"{line}: {files}, of which {empty} are empty"
    is_greedy = "--temperature 0" in code or "argmax" in code  # which goes in circles
    for text in () if is_greedy else texts_in(code, shown):
        runs = [text[i : i + 4] for i in range(len(text) - 3)]
        assert len(set(runs)) > len(runs) / 2, f"{code}: {text}"


def texts_in(code: str, shown: str) -> list[str]:
    """What networks wrote at the end of a block, lines and all."""
    if "train_and_predict_rnn" in code:
        return [line.removeprefix(" - ") for line in shown.splitlines() if line.startswith(" - ")][-1:]
    if "onnxruntime" in code:
        return [shown.removesuffix("\n")]
    if "d2lrnn.predict" in code:
        said = re.sub(r"(?m)^python -m d2lrnn.*\n", "", shown)
        return [text.removesuffix("\n") for text in re.split(r"(?m)^--- \d+.*\n", said)[1:]]
    return []


def execute_all(name: str, folder: Path, *, but: tuple[str, ...] = (), **variables: str) -> None:
    """Every block of a README in order, in one folder; lines in but are left out."""
    seen = {}
    for mark, code in blocks(READMES[name]):
        if mark == "text":
            continue
        code = "".join(line for line in code.splitlines(keepends=True) if line.strip() not in but)
        seen[code] = execute(folder, mark, code, **variables)
        check_sense(folder, code, seen[code])

    written = {code: texts_in(code, shown) for code, shown in seen.items()}
    assert sum(map(bool, written.values())) == 4, (
        "the run, the safetensors file, the graph and Python each write"
    )
    (of_file,) = (texts for code, texts in written.items() if "predict network.safetensors" in code)
    (of_graph,) = (texts for code, texts in written.items() if "onnxruntime" in code)
    assert of_graph == of_file[:1], "the graph writes what predict writes"
    grades = (folder / "results/grades.csv").read_text(encoding="utf-8")
    assert "zoe" in grades
    assert json.loads((folder / "runs/mine/config.json").read_text(encoding="utf-8"))["epochs"] == 20


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        (
            "python -m d2lrnn.train --lr 1",
            "best held-out 1,500 at epoch 2; counting characters 494.2, counting",
        ),
        ("python -m d2lrnn.train --lr 1", "epoch   1  perplexity   2.00"),
        ("python -m d2lrnn.predict", "--- 1, seed 0: 分开\n分开" + " 一 " * 20),
        ("train_and_predict_rnn", "epoch   1, perplexity 2.0\nepoch 60, perplexity 295.2\n - 我你他她"),
        ("train_and_predict_rnn", "epoch 60, perplexity 2.0\n - 我" + "的" * 50),
        ("python -m d2lrnn.export --out empty", ""),
        ("python -m d2lrnn.export --out missing", ""),
    ],
    ids=["held-out", "untold", "stammer", "perplexity", "one character", "empty", "missing"],
)
def test_nonsense_is_noticed(code: str, shown: str, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()

    with pytest.raises(AssertionError):
        check_sense(tmp_path, code, shown)


@pytest.mark.parametrize("code", ["false\ntrue", "echo 'warning: x'", "echo Traceback"])
def test_a_line_that_fails_or_complains_is_noticed(code: str, tmp_path: Path) -> None:
    assert execute(tmp_path, "sh", "echo fine") == "fine\n"
    with pytest.raises(AssertionError):
        execute(tmp_path, "sh", code)


@pytest.mark.slow
@pytest.mark.timeout(1800)  # a minute and a half on a quiet machine
def test_the_readme_can_be_pasted_from_top_to_bottom(tmp_path: Path) -> None:
    folder = copy_checkout(tmp_path)
    lend_environment(folder)

    execute_all("README.md", folder, but=OURS)


@pytest.mark.slow
@pytest.mark.door
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", READMES)
def test_a_fresh_copy_makes_its_environment_and_runs_the_whole_readme(name: str, tmp_path: Path) -> None:
    folder = copy_checkout(tmp_path)

    # `make test` runs as it is printed, with the tests of one lesson: all of them are what runs this
    execute_all(name, folder, PYTEST_ADDOPTS="--cov-fail-under=0 tests/test_06_clipping.py")
