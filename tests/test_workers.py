"""Real workers around MXNet's parameter server: they reproduce one process, and agree before they begin.

A job takes seconds to start, so there is one of two workers and one of three; each runs tests/dist_job.py.
"""

import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from d2lrnn import load_corpus
from d2lrnn.launching.job import free_port

import mxnet as mx
import numpy as np
import pytest
from small_run import KINDS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not mx.runtime.Features().is_enabled("DIST_KVSTORE"), reason="this MXNet has no parameter server"
    ),
]
HERE = Path(__file__).parent
LIMIT = 600  # seconds; what hangs is ended
NUM_SERVERS = 2


def run_job(num_workers: int, plan: str, folder: Path) -> list[dict[str, Any]]:
    """What each worker has found; scheduler, server and workers have ended by themselves."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DMLC_", "PS_"))}
    env = {
        **kept,
        "PYTHONPATH": str(HERE.parent),
        **dict.fromkeys(("OMP_NUM_THREADS", "MXNET_CPU_WORKER_NTHREADS"), "1"),
        "DMLC_PS_ROOT_URI": "127.0.0.1",
        "DMLC_PS_ROOT_PORT": str(free_port("127.0.0.1")),
        "DMLC_NODE_HOST": "127.0.0.1",
        "DMLC_NUM_SERVER": str(NUM_SERVERS),
        "DMLC_NUM_WORKER": str(num_workers),
    }
    server = ["-c", "import d2lrnn, mxnet"]
    commands = {"scheduler": server, **{f"server {k}": server for k in range(NUM_SERVERS)}}
    commands |= {f"worker {k}": [str(HERE / "dist_job.py"), str(folder), plan] for k in range(num_workers)}
    processes = {}
    try:
        for name, command in commands.items():
            role, _, index = name.partition(" ")
            own = {"DMLC_ROLE": role, "D2LRNN_WORKER_INDEX": index}
            with (folder / f"{name}.log").open("w") as log:
                processes[name] = subprocess.Popen(
                    [sys.executable, *command], env={**env, **own}, stdout=log, stderr=log
                )
        deadline = time.monotonic() + LIMIT
        codes = {name: process.poll() for name, process in processes.items()}
        while None in codes.values() and not any(codes.values()) and time.monotonic() < deadline:
            time.sleep(0.05)
            codes = {name: process.poll() for name, process in processes.items()}
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    logs = "\n".join(f"{name}: {(folder / f'{name}.log').read_text()}" for name in commands)
    assert codes == dict.fromkeys(commands, 0), logs
    return [json.loads((folder / f"found {k}.json").read_text()) for k in range(num_workers)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("two")


@pytest.fixture(scope="module")
def two(folder: Path) -> list[dict[str, Any]]:
    text = load_corpus("lyrics", max_chars=300)
    texts = {"ours": text, "corpus": text[::-1], "vocabulary": text.replace(text[0], "\N{SNOWMAN}")}
    for name, content in texts.items():
        (folder / f"{name}.txt").write_text(content, encoding="utf-8")
    (folder / "few.txt").write_text("the fat cat sat on a mat. " * 20, encoding="utf-8")
    return run_job(2, "two", folder)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return run_job(3, "three", tmp_path_factory.mktemp("three"))


def in_turn(found: list[dict[str, Any]], kind: str) -> Any:
    return next(each["in turn"][kind] for each in found if kind in each["in turn"])


# --- training ---


@pytest.mark.parametrize(
    "kind",
    [*KINDS, "gru", "gru, few characters", "lstm, few characters", "as wide as the alphabet", "tied"]
    + ["characters dropped", "two layers", "schedule"],
)
def test_two_workers_train_as_one_process_in_turn_to_the_last_bit(two, kind):
    expected = in_turn(two, kind)

    assert [worker["together"][kind] for worker in two] == [expected] * 2
    assert expected["t"] > 10


@pytest.mark.parametrize("kind", ["rnn adam random", "lstm sgd consecutive", "dropout"])
def test_three_do_so_where_their_order_is_kept(three, kind):
    expected = in_turn(three, kind)

    assert [worker["together"][kind] for worker in three] == [expected] * 3
    assert expected["t"] > 5


def test_every_kind_of_training_ends_somewhere_else(two):
    ends = [worker["weights"] for worker in two[0]["together"].values()]

    assert len(set(ends)) == len(ends)


def test_three_whose_order_is_not_kept_agree_with_each_other(three):
    first, *others = [worker["as they come"] for worker in three]

    assert others == [first] * 2


def test_a_run_saved_by_two_goes_on_with_two_and_with_one(two, folder):
    uninterrupted = two[0]["together"]["lstm adam consecutive"]

    assert [worker["resumed"]["saved"] for worker in two] == [[3]] * 2  # asked for in batch 2, heard in 3
    assert two[0]["resumed"]["together"] == uninterrupted
    # the second worker has not been there in the first part of the epoch: it knows only how it ended
    assert two[1]["resumed"]["together"]["weights"] == uninterrupted["weights"]
    assert two[0]["resumed"]["in turn"] == uninterrupted


# --- what is told ---


def test_what_the_first_worker_has_arrives_to_the_bit(two):
    special = np.float32([-0.0, 1e-45, -1e-40, 1 / 3, 3e38, math.inf, 0.0])

    expected = (special.tobytes() + np.full(4, -1, np.float32).tobytes()).hex()
    assert [worker["shared"] for worker in two] == [expected] * 2


def test_all_are_told_what_the_first_worker_says(two):
    assert [worker["told"] for worker in two] == [["分开 0", "不不不", "0"]] * 2


def test_everybodys_row_is_gathered(two):
    table = np.float32([[k, -0.0, 2**24 - 1 - k, 1e-45] for k in range(2)])

    for worker in two:
        assert np.float32(worker["gathered"]).tobytes() == table.tobytes()


def test_of_steps_in_a_hurry_each_is_added_up_by_itself(two):
    expected = [[3000.0 + 2 * step] * 2 for step in range(60)]

    assert [worker["hurried"] for worker in two] == [expected] * 2


@pytest.mark.parametrize(
    ("read", "num_rows"), [("two", 2), ("three", 4), ("four", 4), ("all", 16), ("out of range", 2)]
)
def test_only_rows_that_any_has_read_travel_rounded_up_to_eighths(two, read, num_rows):
    tables = 3 * num_rows * 5

    assert [worker["rows"][read] for worker in two] == [[[16 + tables, True]] * 2] * 2


def test_what_is_ready_is_added_up_while_the_rest_is_computed(two):
    assert [worker["overlapping"] for worker in two] == [[3.0, 21.0]] * 2


def test_three_are_added_up_in_their_order(three):
    assert [worker["ordered"] for worker in three] == [[[0.0, 1.0, 0.0]] * 10] * 3


# --- what is compared ---


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("lr", "lr"),
        ("num_steps", "num_steps"),
        ("seed", "seed"),
        ("max_chars", "max_chars and corpus"),
        ("corpus", "corpus"),
        ("vocabulary", "corpus and vocabulary"),
    ],
)
def test_a_worker_started_with_something_else_is_named_to_all(two, given, named):
    line = f"worker 1 was started with another {named} than worker 0: give all of them the same"

    assert [worker["refused"][given] for worker in two] == [line] * 2


def test_two_workers_of_one_index_are_found(two):
    lines = [f"{count} workers have the index 0: number them from 0 on" for count in (2, 0)]

    assert [worker["indices"] for worker in two] == [[*lines, "nothing"]] * 2
