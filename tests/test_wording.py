"""The words of every refusal that wording.txt lists, to the letter."""

import builtins
import re
import shlex
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import d2lrnn
from d2lrnn import checks, compat, decoding

import mxnet as mx
import numpy as np
import pytest
from mxnet import nd
from small_run import exit_code_of, run_small

WORDING = (Path(__file__).parent / "wording.txt").read_text("utf-8")
CALLS = re.findall(r"(?m)^>>> (.+)\n(\w+): (.+)$", WORDING)
COMMANDS = re.findall(r"(?m)^\$ d2lrnn (\w+)(.*)\n(.+)$", WORDING)
NAMES = {"checks": checks, "compat": compat, "decoding": decoding, "nd": nd, "np": np, "Path": Path}
NAMES |= {name: getattr(d2lrnn, name) for name in d2lrnn.__all__}


@pytest.fixture(scope="module", autouse=True)
def _in_a_folder_with_a_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """On a machine with 1 GiB of memory, no GPU, and a `python` on the PATH."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("wording"))
        Path("empty.txt").touch()
        Path("name.txt").write_text("localhost\n")
        Path("latin1.txt").write_bytes("déjà vu".encode("latin-1"))
        assert run_small("--epochs", 1, "--out", "run") == 0
        assert run_small("--early-stop", 1, "--out", "ended") == 0
        patch.setattr(checks, "memory", lambda: 2**30)
        patch.setattr(mx.context, "num_gpus", lambda: 0)
        patch.setattr(sys, "executable", "python")
        yield


@pytest.mark.parametrize(("call", "error", "words"), CALLS)
def test_what_a_mistake_in_a_call_is_answered(call: str, error: str, words: str) -> None:
    params, spoilt = d2lrnn.get_params(5, 4), d2lrnn.get_params(5, 4)
    for param in spoilt:
        param[:] = param.grad[:] = float("nan")
    network = (d2lrnn.rnn, params, d2lrnn.init_rnn_state, 4, d2lrnn.Vocab("abcde"))
    label, state = nd.zeros((3, 6)), d2lrnn.init_rnn_state(3, 4)
    names = {"params": params, "spoilt": spoilt, "network": network, "label": label, "state": state}
    names |= {"writer": decoding.one_hot_writer(*network), "greedy": decoding.Choice(temperature=0)}

    with pytest.raises(getattr(builtins, error), match=f"^{re.escape(words)}$"):
        eval(call, NAMES, {**names, "inputs": d2lrnn.get_inputs(label, 5)})


@pytest.mark.parametrize(("command", "arguments", "line"), COMMANDS)
def test_what_a_mistake_on_a_command_line_is_answered(
    command: str, arguments: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = exit_code_of(import_module(f"d2lrnn.{command}").main, shlex.split(arguments))

    assert (code, *capsys.readouterr()) == (2, "", f"{line}\n")


def test_no_mistake_of_the_file_is_passed_over() -> None:
    assert len(CALLS) + len(COMMANDS) == len(re.findall(r"(?m)^(>>>|\$) ", WORDING)) > 80
