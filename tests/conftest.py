"""What tests may ask for: the module under test, the lyrics that we may not ship, a small text of our own."""

import importlib.util
import os
import signal
import sys
from pathlib import Path
from types import ModuleType

import d2lrnn

import hypothesis
import pytest

pytest.register_assert_rewrite("cell_laws")

os.environ["LANGUAGE"] = "en"  # of what commands say, whatever the developer reads

# A job in the background of a script ignores Ctrl-C, one under nohup SIGHUP, and so does all that it starts,
# unless there is a handler: with one, this process still ignores them, and what tests start does not.
for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, lambda *_: None)

# Examples are the same in every run, and none is called slow on a busy machine.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("repeatable")
# The same examples, for who asks only whether a test fails: the first one that does is enough.
hypothesis.settings.register_profile("whether", phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--subject", help="a .py file to test in place of the package: a mutant, or a student's work"
    )


# The files that take minutes: what is taken up last leaves the other processes idle for as long.
LONG = ["site", "mutants", "cases", "door", "readme", "colab", "torture", "output", "resume", "train_workers"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long files come first. With --subject only those tests are left that ask for it."""
    rank = {f"test_{name}": place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(LONG)))
    if config.getoption("--subject"):
        asks = [item for item in items if "subject" in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=[*{*items} - {*asks}])
        items[:] = asks


@pytest.fixture(scope="session")
def subject(request: pytest.FixtureRequest) -> ModuleType:
    """The module whose functions are tested: d2lrnn, or the file that --subject names."""
    path = request.config.getoption("--subject")
    if path is None:
        return d2lrnn
    spec = importlib.util.spec_from_file_location("subject", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["subject"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with both versions of the tutorial's lyrics, where the machine has one."""
    folder = os.environ.get("D2LRNN_TEST_DATA")
    if not folder:
        pytest.skip("D2LRNN_TEST_DATA is not set: no copyrighted lyrics to test with")
    return Path(folder)


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder, for the time of a test."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def small_text() -> str:
    """The first 400 characters of our lyrics."""
    return d2lrnn.load_corpus("lyrics", max_chars=400)
