"""Training with several workers: the same numbers, stopped and gone on with, mistakes refused in a line."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from d2lrnn.checkpoint import load_newest
from d2lrnn.launching.job import free_port
from d2lrnn.running.folder import lock

import pytest
from small_run import SMALL, perplexities, run_small, weights

from audits.torture.workers import Job, latest, processes, until

TOGETHER = ("--workers", "2", "--sampler", "consecutive", "--epochs", "3")
LONG = ("--epochs", "60", "--pred-period", "1000", "--autosave", "0.3")
ENDLESS = ("--epochs", "1000000", "--pred-period", "1000000", "--autosave", "0.3", "--patience", "3600")
CLUSTER = {
    "DMLC_ROLE": "worker",
    "DMLC_PS_ROOT_URI": "127.0.0.1",
    "DMLC_PS_ROOT_PORT": "9",
    "DMLC_NUM_WORKER": "2",
    "DMLC_NUM_SERVER": "1",
    "D2LRNN_WORKER_INDEX": "0",
}


def train(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "d2lrnn.train", *SMALL, *map(str, arguments)]
    environment = {**os.environ, "MXNET_CPU_WORKER_NTHREADS": "5"}  # two of two workers, one of three
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)


def job(*arguments: object) -> Job:
    return Job([*SMALL, *map(str, arguments)])


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        (),
        shlex.split("--cell lstm --workers 3 --deterministic --heldout 0.5 --heldout-sample 200"),
        ("--tied", "--dropout-in", "0.3", "--weight-drop", "0.5", "--sampler", "variable"),
    ],
    ids=str,
)
def test_several_processes_end_with_the_weights_of_one(tmp_path: Path, more: Sequence[str]) -> None:
    together = train(*TOGETHER, *more, "--out", tmp_path / "together")
    in_turn = train(*TOGETHER, *more, "--in-turn", "--out", tmp_path / "in turn")

    assert (together.returncode, in_turn.returncode) == (0, 0), together.stderr
    assert weights(tmp_path / "together") == weights(tmp_path / "in turn")
    assert perplexities(tmp_path / "together") == perplexities(tmp_path / "in turn")
    assert {path.name for path in (tmp_path / "together").iterdir()} == {
        path.name for path in (tmp_path / "in turn").iterdir()
    }
    assert "epoch   3" in together.stdout
    assert together.stdout.count("epoch   3") == 1  # only the first worker speaks


@pytest.mark.slow
def test_ctrl_c_stops_all_and_what_two_began_two_or_one_in_turn_end_and_not_three(tmp_path: Path) -> None:
    long = (*TOGETHER, *LONG, "--out", tmp_path / "run")
    running = job(*long)
    assert until(lambda: latest(tmp_path / "run") > "000001")
    os.killpg(running.process.pid, signal.SIGINT)  # as a terminal does it
    code = running.wait()
    left = processes(running.mark)
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    three = train(*LONG, "--workers", 3, "--resume", tmp_path / "run")
    ended = train("--epochs", 62, "--resume", tmp_path / "run")
    in_turn = train("--epochs", 62, "--resume", tmp_path / "copy", "--in-turn")

    assert code == 130
    assert left == []
    assert three.returncode == 2
    assert "--workers 3" in three.stderr
    assert "was begun with 2" in three.stderr
    assert three.stderr.count("\n") == 1
    assert (ended.returncode, in_turn.returncode) == (0, 0), ended.stderr
    assert weights(tmp_path / "run") == weights(tmp_path / "copy")


@pytest.mark.slow
def test_all_workers_know_the_best_epoch_before_a_break_and_stop_by_it(tmp_path: Path) -> None:
    begun = train(*TOGETHER, "--lr", 0.1, "--out", tmp_path / "run")
    resumed = train("--resume", tmp_path / "run", "--epochs", 30, "--early-stop", 4, "--max-restarts", 0)

    heldout = [pair[1] for pair in perplexities(tmp_path / "run")]
    assert (begun.returncode, resumed.returncode) == (0, 0), resumed.stderr
    assert heldout.index(min(heldout)) == 0
    assert len(heldout) == 5


@pytest.mark.slow
def test_workers_go_on_with_a_text_that_has_moved(tmp_path: Path) -> None:
    old, new, run = tmp_path / "old.txt", tmp_path / "new.txt", tmp_path / "run"
    old.write_text("the quick brown fox jumps over it. " * 40)
    begun = train(*TOGETHER, "--corpus", old, "--out", run)
    old.rename(new)
    shutil.copytree(run, tmp_path / "copy")
    gone = train("--resume", run, "--epochs", 4)
    together = train("--resume", run, "--epochs", 4, "--corpus", new)
    in_turn = train("--resume", tmp_path / "copy", "--epochs", 4, "--corpus", new, "--in-turn")

    assert (begun.returncode, gone.returncode) == (0, 2), begun.stderr
    assert "--corpus NEW" in gone.stderr
    assert gone.stderr.count("\n") == 1
    assert (together.returncode, in_turn.returncode) == (0, 0), together.stderr
    assert weights(run) == weights(tmp_path / "copy")
    assert json.loads((run / "config.json").read_text())["corpus"] in (str(new), [str(new)])


@pytest.mark.slow
def test_a_second_ctrl_c_ends_at_once(tmp_path: Path) -> None:
    running = job(*TOGETHER, *ENDLESS, "--out", tmp_path / "run")
    assert until(lambda: latest(tmp_path / "run") > "000002")
    stopped = running.processes()["worker 1"]
    os.kill(stopped, signal.SIGSTOP)
    running.process.send_signal(signal.SIGINT)
    assert until(lambda: is_pending(stopped, signal.SIGINT))  # it is passed on, and cannot be heard
    running.process.send_signal(signal.SIGINT)
    code = running.wait()  # else only patience, here an hour, would end it

    assert code == 130
    assert running.lines[-1][1] == "stopped at once: what came after the last checkpoint is lost"
    assert until(lambda: not processes(running.mark))


def is_pending(pid: int, number: int) -> bool:
    """Whether a signal waits for a process that is stopped."""
    masks = re.findall(r"(?:SigPnd|ShdPnd):\s*(\w+)", Path(f"/proc/{pid}/status").read_text())
    return any(int(mask, 16) >> (number - 1) & 1 for mask in masks)


# --- without our launcher, as a cluster starts and stops it ---


@pytest.fixture
def by_hand(tmp_path: Path) -> Iterator[dict[str, Job]]:
    """A scheduler, a server and two workers that train into tmp_path/run; what is left of them is killed."""
    places = {**CLUSTER, "DMLC_PS_ROOT_PORT": str(free_port("127.0.0.1")), "DMLC_NODE_HOST": "127.0.0.1"}
    jobs = {}
    for name in ("scheduler", "server", "worker 0", "worker 1"):
        role, _, index = name.partition(" ")
        own = {"DMLC_ROLE": role, "D2LRNN_WORKER_INDEX": index}
        jobs[name] = Job([*SMALL, *TOGETHER, *ENDLESS, "--out", str(tmp_path / "run")], **{**places, **own})
    yield jobs
    for job in jobs.values():
        job.process.kill()
        job.wait()


@pytest.mark.slow
def test_workers_without_a_launcher_save_and_end_when_all_get_sigterm(
    by_hand: dict[str, Job], tmp_path: Path
) -> None:
    assert until(lambda: latest(tmp_path / "run") > "000002")
    for running in by_hand.values():
        running.process.send_signal(signal.SIGTERM)

    ends = {name: running.wait(60) for name, running in by_hand.items()}

    assert ends == {"scheduler": 0, "server": 0, "worker 0": 143, "worker 1": 143}
    assert [line for running in by_hand.values() for _, line in running.lines] == []
    *_, facts = load_newest(tmp_path / "run" / "checkpoints")[:3]
    with open(tmp_path / "run" / "metrics.jsonl", "rb") as metrics:
        assert facts["bytes"]["metrics.jsonl"] == len(metrics.read())  # saved where it has stopped


@pytest.mark.slow
def test_a_worker_that_waits_for_one_that_is_dead_ends_soon_after_sigterm(
    by_hand: dict[str, Job], tmp_path: Path
) -> None:
    assert until(lambda: latest(tmp_path / "run") > "000002")
    by_hand["worker 1"].process.kill()
    by_hand["worker 1"].wait()
    for name in ("scheduler", "server", "worker 0"):  # as srun --kill-on-bad-exit does it
        by_hand[name].process.send_signal(signal.SIGTERM)
    code = by_hand["worker 0"].wait(60)
    for name in ("scheduler", "server"):
        by_hand[name].process.send_signal(signal.SIGTERM)

    assert code == 143
    assert [by_hand[name].wait(60) for name in ("scheduler", "server")] == [143, 143]
    (line,) = [line for _, line in by_hand["worker 0"].lines]
    assert re.fullmatch(
        r"worker 0: step \d+: stopped, and no word from the others for \d+ s: not saved", line
    )
    lock(tmp_path / "run").close()  # nobody has it


@pytest.mark.slow
def test_a_mistake_that_only_a_worker_finds_is_said_once_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))

    answer = train("--workers", 2, "--num-steps", 5000)

    assert answer.returncode == 2
    assert "characters fill no batch" in answer.stderr
    assert answer.stderr.count("\n") == 1
    assert list(tmp_path.glob("runs/*")) == []


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"DMLC_ROLE": "boss"}, "DMLC_ROLE is 'boss'"),
        ({"DMLC_PS_ROOT_PORT": ""}, "DMLC_PS_ROOT_PORT"),
        ({"D2LRNN_WORKER_INDEX": ""}, "D2LRNN_WORKER_INDEX is not set"),
        ({"D2LRNN_WORKER_INDEX": "2"}, "D2LRNN_WORKER_INDEX is 2"),
        ({"DMLC_NUM_WORKER": "3"}, "--workers is 2, and DMLC_NUM_WORKER 3"),
    ],
)
def test_an_environment_that_cannot_be_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, str],
    line: str,
) -> None:
    for name, value in {**CLUSTER, **changes}.items():
        monkeypatch.setenv(name, value)

    assert run_small("--workers", 2, "--out", tmp_path / "run") == 2

    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_hosts_and_workers_that_do_not_fit_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hosts = tmp_path / "hosts.txt"
    hosts.write_text("127.0.0.1 2\n")

    assert run_small("--workers", 3, "--hosts", hosts) == 2
    assert f"{hosts} names 2 workers, and 3 are to train" in capsys.readouterr().err
    assert run_small("--hosts", tmp_path / "none.txt") == 2
    assert "none.txt" in capsys.readouterr().err


def test_all_workers_in_one_process_write_one_run(tmp_path: Path) -> None:
    assert run_small(*TOGETHER, "--in-turn", "--out", tmp_path / "run") == 0
    assert len(perplexities(tmp_path / "run")) == 3


def test_shards_too_small_for_a_batch_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_small("--workers", 200, "--in-turn", "--out", tmp_path / "run") == 2

    said = capsys.readouterr().err
    assert "fill no batch" in said
    assert "or give fewer workers" in said
