"""The Chinese messages are complete, change no number and no name, and are said where they are wanted."""

import argparse
import ast
import errno
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from string import Formatter

from d2lrnn import CHAPTERS, messages, train
from d2lrnn.__main__ import COMMANDS
from d2lrnn.cli import Parser
from d2lrnn.corpora import PACKAGE
from d2lrnn.grading.cases import CASES
from d2lrnn.grading.mistakes import FILES, told
from d2lrnn.messages import fill, speaks_chinese, split_template, table, translated, width
from d2lrnn.running.settings import ABOUT, GROUPS, Settings

import pytest
from small_run import SMALL
from test_wording import COMMANDS as REFUSALS

CHINESE = re.compile("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
LOCALES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
# what speaks to an instructor alone, into files, or nowhere; lessons stay English
SILENT = {
    "__init__", "messages", "checks", "engine", "grading.drivers", "grading.gradescope", "grading.jail",
    "grading.lent_code", "grading.mistakes", "grading.results", "grading.sandbox", "grading.seccomp",
    "grading.wire", "grading.worker", "grading.class_page", "grading.outcomes", "grading.policy",
    "grading.pool", "grading.roster", "grading.similarity", "grading.tables",
    *(lesson for lesson, _ in CHAPTERS.values()),
}  # fmt: skip
# of modules that also write files: what speaks
SPEAKING = {
    "grading.report": ("check_report", "_said"),
    "grading.skeleton": ("find_lessons",),
    "grading.marking": ("shown", "_outcomes_of", "_asked_alone", "_cannot_run"),
    "grading.cutting": ("told",),
}
UNSAID = {  # prose that no user sees, or that is said as part of a line which is in the table
    "__main__": {"  {} {}\n{}d2lrnn {} {}",
                 "{} d2lrnn COMMAND ...      d2lrnn COMMAND --help      d2lrnn --version",
                 "compare runs/lyrics-rnn runs/lyrics-gru", "runs/lyrics-rnn my.txt"},
    "compat": {"pip install --no-deps mxnet==1.9.1", "{} has left NumPy: use the package numpy-financial",
               "apt install libgomp1 libquadmath0 (Fedora: dnf install libgomp libquadmath)"},
    "formats.onnx_file": {"num_steps * batch_size"},
    "grading.case": {"str | None", "Stack trace:",
                     'Traceback \\(most recent call last\\):\\s+File "[^"]*", line \\d+\\s+\\w+: '},
    "grading.cases.clipping": {"gradients / size", "norm / size"},
    "grading.cases.concise": {"others moved"},
    "grading.cases.decoding": {"H, C = C, (H + C + digit) mod 10; digit C answers",
                               "H = ({{}} H + digit) mod {{}}; row H of logits answers"},
    "grading.cases.onehot": {"{} of {}"},
    "grading.cases.sampling": {"least index", "leaves no batch"},
    "grading.cases.training": {"epoch {},", "same order"},
    "grading.platforms": {
        r"(?P<id>\d+-\d+) - (?P<name>[^/]+?) - (?P<when>[^/]*?\d{{4}}[^/]*?)(?:/| - )(?P<file>.+)"},
    "grading.cutting": {"code cell {}", "lines {}-{}", "{} of {}"},
    "grading.submissions": {"unknown encoding",
                            'NotImplementedError\\("(\\w+): lesson', "^from __future__ import [\\w, ]+$"},
    "launching.job": {"import d2lrnn, mxnet"},
    "launching.process": {"cd {} && exec {}", "kill -KILL {}"},
    "evaluate": {"%(prog)s [OPTION ...] [run] [FILE ...]"},
    "predict": {", seed {}", "%(prog)s [OPTION ...] [run]",
                r"--prefix 'QUEEN:\n' --stop '\n\n' --num-samples 3"},
    "running.closing": {", counting characters {}, counting pairs {}", ", written by the best, of epoch {}"},
    "running.dataset": {"{{desc}} {{percentage:3.0f}}%|{{bar}}| {{elapsed}}<{{remaining}}"},
    "running.directory": {"there are more numbers than folders"},
    "running.distributed": {"step count"},
    "running.measure": {"{}, held out"},
    "running.plot": {"held out", "held out (the best marked), training dotted", "best {} at epoch {}",
                     "Glyph .* missing", "offset points", "outside lower left"},
    "running.settings": {*GROUPS.values(), r"--out runs/poems --prefix 'QUEEN:\n'"},
    "runs": {"  at epoch", "  bits per character", "best held out", "epochs done", "held out",
             "last held out", "last in training", "{} compare"},
}  # fmt: skip
COMPOSED = {  # entries for what the code puts together, the system says, or argparse fills in
    *map(os.strerror, (errno.ENOENT, errno.EACCES, errno.EISDIR, errno.ENOTDIR)),
    *map(os.strerror, (errno.EEXIST, errno.EROFS, errno.EIO)),
    "[Errno {}] {}", "[Errno {}] {}: {}", "int", "float", "server {}", "{} and {} others",
    os.strerror(errno.EPIPE), "is not UTF-8 text{}", "holds a NUL byte at {}, so it is not UTF-8 text{}",
    " (byte 0x{} at {}){}", "{}; or {}", "{} is damaged ({})",
    "{} was not written by d2lrnn ({})", "{} is not installed: {}",
    "worker {} {}", "worker {} (step {}) {}",
    "{} {} GiB of memory, more than the {} here: {}", "MXNet is not installed: {}",
    "MXNet's library cannot be loaded: {}: {}", "this system cannot isolate strictly, it lacks: {}",
    " at {}", "a number is expected, not {}", "an array of shape {} is expected, not {}",
}  # fmt: skip
EXAMPLE = re.compile(
    "[^:;,]*--[a-z][^:;,]*|python -m .*|    .*|new mine .*|class.zip .*"
)  # what is to be typed
JOINTS = 2  # characters of a line that may join messages in it
SPEAKERS = ("complain", "warn", "tell", "say", "leave", "translated")


def _modules() -> list[str]:
    names = [path.relative_to(PACKAGE).with_suffix("").as_posix() for path in PACKAGE.rglob("[!0-9]*.py")]
    modules = [name.replace("/", ".").removesuffix(".__init__") for name in names]
    return sorted(m for m in modules if not {m, m.split(".")[0]} & SILENT)


def _template(node: ast.AST) -> str | None:
    """A text in the source as a template for str.format; fields that touch are one."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.replace("{", "{{").replace("}", "}}")
    if isinstance(node, ast.JoinedStr):
        parts = ["{}" if isinstance(part, ast.FormattedValue) else _template(part) for part in node.values]
        return re.sub(r"(\{\})+", "{}", "".join(filter(None, parts)))
    return None


def _texts(tree: ast.AST) -> Iterator[str]:
    """The texts of a module that are prose, or given to what speaks; no docstrings, no parts of others."""
    passed = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
            passed.add(node.body[0].value)
        if isinstance(node, ast.JoinedStr):
            passed |= {part for part in node.values if isinstance(part, ast.Constant)}
            passed |= {n for part in node.values if isinstance(part, ast.FormattedValue)
                       for n in ast.walk(part.format_spec or ast.Pass())}  # fmt: skip
    for node in ast.walk(tree):
        text = _template(node) if node not in passed else None
        if text and re.search(r"[a-z]{2}\S* (\S* )*\S*([a-z]{2}|\{\})|\{\}\S* \S*[a-z]{2}", text):
            yield text
        if (
            isinstance(node, ast.Call)
            and getattr(node.func, "id", getattr(node.func, "attr", "")) in SPEAKERS
        ):
            yield from filter(None, (_template(argument) for argument in node.args[:2]))


def _texts_of(module: str) -> set[str]:
    path = PACKAGE / f"{module.replace('.', '/')}.py"
    tree = ast.parse((path if path.exists() else path.with_suffix("") / "__init__.py").read_text("utf-8"))
    if module in SPEAKING:
        functions = [n for n in ast.walk(tree) if getattr(n, "name", "") in SPEAKING[module]]
        return {text for function in functions for text in _texts(function)}
    return set(_texts(tree))


def _fill(template: str) -> str:
    """A line that a template may become: numbers in its fields; one that touches a word stands before it."""
    template = re.sub(r"^\{\}(?=[a-z])", "first: ", template)
    return "".join(
        text + ("" if field is None else f"{i}")
        for i, (text, field, _, _) in enumerate(Formatter().parse(template))
    )


def _is_chinese(line: str, template: str | None = None) -> bool:
    """Whether the table knows a line, all of it but what the fields of its template hold."""
    reading = messages._read(line)
    size = len("".join("".join(split_template(template)[0] if template is not None else line).split()))
    return reading is not None and bool(CHINESE.search(reading.chinese)) and reading.known >= size - JOINTS


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes it the language of what is said."""
    monkeypatch.setenv("LANGUAGE", "zh_CN")


# --- the table ---


@pytest.mark.parametrize("module", _modules())
def test_every_message_of_the_code_is_in_the_table(module: str) -> None:
    texts = {text for text in _texts_of(module) - UNSAID.get(module, set()) if re.search("[a-z]{2}", text)}
    texts = {text for text in texts if not EXAMPLE.fullmatch(text)}

    assert {text for text in texts if not _is_chinese(_fill(text), text)} == set()


def test_what_needs_no_entry_is_in_the_code() -> None:
    for module, unsaid in UNSAID.items():
        assert unsaid <= _texts_of(module), module


def test_every_entry_has_its_message() -> None:
    texts = {told(file.stem) for file in FILES}
    for path in [*PACKAGE.rglob("*.py"), Path(argparse.__file__)]:
        for text in filter(None, map(_template, ast.walk(ast.parse(path.read_text("utf-8"))))):
            texts.add(text)
            texts |= {f"{{}}{text}"} if text[0] == "," else set()  # continues the name of a file
            texts |= {" ".join(part.split()) for part in re.split(r"\n\n|\n(?=    )| {3,}", text)}
            texts.add(re.sub(r"%(\(\w+\))?[rs]", "{}", text))  # argparse

    lines = {"{}".join(entry.pieces) for entry in table()}
    assert lines - texts == COMPOSED


def test_every_known_mistake_and_every_case_is_in_the_table() -> None:
    lines = {told(file.stem) for file in FILES}
    lines |= {mistake.message for case in CASES for mistake in case.mistakes}

    assert {line for line in lines if not _is_chinese(line)} == set()
    assert {case.name for case in CASES if not _is_chinese(case.name, "")} == set()


@pytest.mark.slow
def test_every_entry_is_found_and_keeps_what_the_fields_hold(chinese: None) -> None:
    for entry in table():
        values = [f"90{i}" if kind == "d" else f"⟨{i}⟩" for i, kind in enumerate(entry.kinds)]
        english = "".join(map("".join, zip(entry.pieces, [*values, ""])))
        said = entry.chinese.replace(":zh}", "}").format(**dict(zip(entry.fields, values)))

        assert len({*entry.fields}) == len(entry.fields), english
        assert sorted(re.findall(r"⟨.*?⟩|90\d", said)) == sorted(values), english
        assert translated(english) == said or not entry.has_words, english


def test_no_two_fields_touch() -> None:  # nobody could tell where one ends
    assert [entry for entry in table() if "" in entry.pieces[1:-1]] == []


def test_the_chinese_of_every_entry_can_be_shown_in_gbk() -> None:
    for entry in table():
        entry.chinese.encode("gbk")


def test_a_line_that_is_not_there_stays_english(chinese: None) -> None:
    for line in ("", "an unheard-of mistake", "a; b c: d, e f (g h)", "word " * 500, "{} {x} %s %(a)s"):
        assert translated(line) == line


def test_a_part_that_is_not_there_stays_english_in_a_chinese_line(chinese: None) -> None:
    assert translated("runs/x is damaged (KeyError: of our own)") == "runs/x 已损坏（KeyError: of our own）"


def test_of_two_readings_the_one_that_knows_more_is_taken(chinese: None) -> None:
    line = "get_inputs with data = [[0, 3]], vocab_size = 3: IndexError is expected, not ZeroDivisionError"

    assert translated(line) == (
        "get_inputs，输入 data = [[0, 3]], vocab_size = 3：应当是IndexError，而不是ZeroDivisionError"
    )


def test_what_a_worker_does_is_read_with_its_name(chinese: None) -> None:
    assert translated("worker 1 (step 7) exchanging") == "工作进程 1（第 7 步）交换梯度"
    assert translated("worker 2 joining") == "工作进程 2 加入"


def test_a_message_within_a_message_is_chinese_too(chinese: None) -> None:
    line = (
        "'my text.txt' is not UTF-8 text (byte 0xc4 at 17), perhaps gbk, and would then begin '你好，'; or "
        "big5, and would then read there 'x; y': name its encoding (--encoding gbk)"
    )

    assert translated(line) == (
        "'my text.txt' 不是 UTF-8 文本（位置 17 的字节 0xc4），可能是 gbk，那样开头是 '你好，'；"
        "或者 big5，那样那里是 'x; y'：请指明编码（--encoding gbk）"
    )


@pytest.mark.parametrize(("command", "arguments", "line"), REFUSALS)
def test_a_refusal_in_chinese_has_the_numbers_and_names_of_the_english_one(
    command: str, arguments: str, line: str, chinese: None
) -> None:
    message = line.partition(": ")[2]
    said = translated(message)

    assert CHINESE.search(said)
    names = re.findall(r"--[a-z-]+|'[^']+'|[\d.,]*\d|\b\w+\.\w+(?:\.\w+)*|python -m .+", message)
    assert not [name for name in names if name not in said]


# --- the language ---


@pytest.mark.parametrize(
    ("environment", "is_chinese"),
    [
        ({}, False),
        ({"LANG": "zh_CN.UTF-8"}, True),
        ({"LANG": "zh_TW.UTF-8"}, True),
        ({"LANG": "zh"}, True),
        ({"LANG": "zh_CN.GBK"}, True),
        ({"LANG": "zhuang"}, False),
        ({"LANG": "en_US.UTF-8"}, False),
        ({"LANG": "de_DE.UTF-8"}, False),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, False),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, True),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_CN.UTF-8"}, True),
        ({"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, False),
        ({"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "en_US.UTF-8", "LC_ALL": "zh_CN.UTF-8"}, True),
        ({"LANG": "zh_CN.UTF-8", "LANGUAGE": "en:zh"}, False),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "zh_CN:en"}, True),
        ({"LANG": "de_DE.UTF-8", "LANGUAGE": "de:zh"}, True),
        ({"LANG": "C", "LANGUAGE": "zh_CN"}, False),
        ({"LANG": "C.UTF-8", "LANGUAGE": "zh_CN"}, True),
        ({"LANGUAGE": "zh_CN"}, True),
    ],
    ids=lambda value: " ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else None,
)
def test_the_language_is_that_of_the_environment(
    environment: dict[str, str], is_chinese: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in LOCALES:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert speaks_chinese() is is_chinese


def test_what_cannot_show_chinese_gets_english(chinese: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for encoding, is_chinese in {"ascii": False, "latin-1": False, "big5": False, "gb18030": True}.items():
        with open(os.devnull, "w", encoding=encoding) as nowhere:
            monkeypatch.setattr(sys, "stdout", nowhere)
            assert speaks_chinese() is is_chinese, encoding


# --- the width of a terminal ---


def test_chinese_is_broken_between_characters_but_not_before_a_closing_mark() -> None:
    assert (
        fill("梯度没有裁剪：步长超过了 lr * clipping_theta", 14)
        == "梯度没有裁剪：\n步长超过了 lr\n*\nclipping_theta"
    )
    assert fill("一二三四五六七，八", 14) == "一二三四五六\n七，八"
    assert fill("一二三（四五", 8) == "一二三\n（四五"


def test_english_is_broken_between_words() -> None:
    assert fill("one  two three", 8, "> ", "  ") == "> one\n  two\n  three"
    assert fill("a-word-longer-than-the-line b", 5) == "a-word-longer-than-the-line\nb"


# --- --help ---


def _helps(command: str) -> Iterator[tuple[Parser, str]]:
    """Every parser of a command, with its --help."""
    parser = import_module(f"d2lrnn.{command}")._parser()
    inner = [a.choices for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    for one in [parser, *(p for choices in inner for p in choices.values())]:
        yield one, one.format_help()


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_terminal(
    command: str, language: str, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGUAGE", language)
    monkeypatch.setenv("COLUMNS", str(columns))
    for _, shown in _helps(command):
        assert [line for line in shown.splitlines() if width(line) > min(columns, 100)] == []
        assert shown.startswith({"en": "usage: ", "zh": "用法： "}[language])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_says_its_default(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    for parser, lines in _helps(command):
        shown = " ".join(lines.split())
        options = [a for a in parser._actions if a.help != argparse.SUPPRESS and a.dest != "help"]
        options = [a for a in options if a.option_strings or a.nargs in ("?", "*")]
        assert shown.count("(default: ") == len(options)
        assert "chapter" not in shown.replace("chapters/", "")


def test_every_setting_stands_in_one_group_with_an_example() -> None:
    names = " ".join(GROUPS.values()).split()

    assert sorted(names) == sorted(Settings.__dataclass_fields__)
    assert list(ABOUT) == list(GROUPS)
    for about, example in ABOUT.values():
        train._parser().parse_args(shlex.split(example))
        assert about.endswith(".")


# --- commands ---


def _said(command: str, *arguments: object, **environment: str) -> tuple[int, str, str]:
    """The exit code of a command, and what it says on stdout and stderr, in its encoding."""
    environment = {name: value for name, value in os.environ.items() if name not in LOCALES} | environment
    encoding = environment.get("PYTHONIOENCODING", "utf-8")
    line = [sys.executable, "-m", f"d2lrnn.{command}", *map(str, arguments)]
    ended = subprocess.run(line, env=environment, capture_output=True, encoding=encoding, timeout=300)
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("empty_folder")
@pytest.mark.parametrize(
    "environment",
    [{"LANG": "zh_CN.UTF-8", "PYTHONIOENCODING": "utf-8"}, {"LANG": "zh_CN.GBK", "PYTHONIOENCODING": "gbk"}],
    ids=["UTF-8", "GBK"],
)
def test_commands_speak_chinese(environment: dict[str, str]) -> None:
    code, out, err = _said("train", *SMALL, "--epochs", 1, "--out", "run", **environment)
    assert (code, err) == (0, "")
    assert re.search(r"个字符用来训练，留出 \d+ 个", out)
    assert re.search(r"第   1 轮  困惑度 +[\d.]+  留出 +[\d.]+ +[\d,]+ 字符/秒 +[\d.]+ 秒", out)
    assert "run/ 里有权重、curve.svg 和 samples.txt" in out

    assert _said("train", "--out", "run", "--cell", "gru", **environment)[::2] == (
        2,
        "python -m d2lrnn.train: --cell gru：run 开始时用的是 rnn；请去掉 --cell，或者另给一个 --out "
        "重新开始\n",
    )
    assert "usage: " not in _said("train", "--help", **environment)[1]
    code, out, _ = _said("predict", "run", "--prefix", "〇", **environment)
    assert (code, out) == (2, "")
    code, out, _ = _said("predict", "run", "--length", 5, **environment)
    assert code == 0
    assert not re.search("困惑度", out)


MINE = """from mxnet import nd
def cross_entropy(logits, label):
    return -nd.pick(nd.log_softmax(logits), label).sum()
def perplexity(nats_per_char):
    return 1 / 0
"""


@pytest.mark.slow
@pytest.mark.usefixtures("empty_folder")
@pytest.mark.parametrize("encoding", ["utf-8", "gbk"])
def test_check_tells_a_mistake_in_chinese(encoding: str) -> None:
    Path("mine.py").write_text(MINE)
    environment = {"LANG": "zh_CN", "PYTHONIOENCODING": encoding, "COLUMNS": "300"}
    code, out, err = _said("assignment", "check", "mine.py", **environment)

    assert (code, err) == (1, "")
    assert "损失把所有字符加了起来：批量越大它越大，步子也跟着变大。要取平均" in out
    assert "ZeroDivisionError：division by zero（第 5 行）" in out
    assert "× perplexity" in out
    assert "写了的 2 个函数中，0 个对" in out
    assert _said("assignment", "check", "nowhere", **environment)[2] == (
        "python -m d2lrnn.assignment: nowhere 不存在：请给 .py 或 .ipynb 文件、文件夹或 .zip 压缩包\n"
    )


@pytest.mark.slow
@pytest.mark.usefixtures("empty_folder")
def test_workers_speak_the_language_of_their_launcher() -> None:
    exploding = ["--workers", 2, "--optimizer", "sgd", "--lr", "1e30"]
    code, _, err = _said("train", *SMALL, *exploding, LANG="zh_CN.UTF-8")
    assert code == 1
    assert re.search(r"(?m)^工作进程 0: python -m d2lrnn.train: 第 1 轮第 \d+ 个批量：", err)

    code, _, err = _said("train", *SMALL, *exploding, LANG="zh_CN.UTF-8", PYTHONIOENCODING="ascii")
    assert code == 1
    assert re.search(r"(?m)^worker 0: python -m d2lrnn.train: epoch 1, batch \d+: ", err)
