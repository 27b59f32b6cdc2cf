"""The role of this process when several train together, from the environment that MXNet's servers use."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any, NoReturn

from ..cli import hear_two, leave

if TYPE_CHECKING:
    from ..dist import Workers
    from ..launching.watchdog import Watchdog
    from .run import Run

PLACES = ("DMLC_PS_ROOT_URI", "DMLC_PS_ROOT_PORT", "DMLC_NUM_WORKER", "DMLC_NUM_SERVER")
FAULT = 70  # the exit code of an unforeseen fault, as in sysexits.h
INDEX = "D2LRNN_WORKER_INDEX"
LINGER = (
    20.0  # seconds that a server goes on after a signal: the workers save by it, and Slurm kills after 30
)


def become() -> int | None:
    """Which worker this process is; None: it trains by itself.

    A scheduler or a server never comes back from here: it serves until the workers have gone.

    Raises:
        ValueError: the environment says something else, or not all that is needed.
    """
    role = os.environ.get("DMLC_ROLE")
    if role is None:
        return None
    if role not in ("scheduler", "server", "worker"):
        raise ValueError(f"DMLC_ROLE is {role!r}: give scheduler, server or worker")
    missing = [name for name in PLACES if not os.environ.get(name)]
    if missing:
        raise ValueError(
            f"DMLC_ROLE is {role}, and this is not set: {', '.join(missing)}; see the page “Systems”"
        )
    if role != "worker":
        _serve(role)
    index, num_workers = os.environ.get(INDEX, ""), os.environ["DMLC_NUM_WORKER"]
    if not index.isdecimal() or not num_workers.isdecimal() or int(index) >= int(num_workers):
        raise ValueError(
            f"{INDEX} is {index or 'not set'}: number the {num_workers} workers (DMLC_NUM_WORKER) from 0 on"
        )
    return int(index)


def _serve(role: str) -> NoReturn:
    """Be a scheduler or a server until the workers have gone, or for a while after a signal."""

    def linger(number: int) -> None:
        timer = threading.Timer(LINGER, leave, [number, f"{role}: stopped, and the workers have not left"])
        timer.daemon = True
        timer.start()

    with hear_two(lambda number: None, linger, f"{role}: stopped at once"):
        import mxnet  # noqa: F401  # it serves while it is imported, and ends the process
    raise ValueError(
        f"DMLC_ROLE is {role}, and this build of MXNet cannot be one: only that for Linux on x86-64 can"
    )


def check_number(num_workers: int) -> None:
    """Check that the settings have as many workers as the environment.

    Raises:
        ValueError: they do not.
    """
    if num_workers != int(os.environ["DMLC_NUM_WORKER"]):
        raise ValueError(
            f"--workers is {num_workers}, and DMLC_NUM_WORKER {os.environ['DMLC_NUM_WORKER']}: give the same"
        )


def join(run: Run, index: int, watchdog: Watchdog) -> None:
    """Have run train together with the other workers, and tell the watchdog what begins.

    Raises:
        ValueError: they were not all started alike.
    """
    from ..dist import Workers

    watchdog.note("joining")
    meet(run, Workers(index, run.settings.workers, deterministic=run.settings.deterministic))
    run.note = lambda phase: watchdog.note(phase, run.optimizer.t)


def meet(run: Run, workers: Workers) -> None:
    """Have run train with workers; all continue from the first, which alone has read a checkpoint.

    Raises:
        ValueError: they were not all started alike.
    """
    workers.compare(_fingerprint(run))
    _share_progress(run, workers)
    run.train_with(workers)


def _fingerprint(run: Run) -> dict[str, Any]:
    """What all workers must have in common before they send arrays to each other."""
    config = run.config()
    facts = config.pop("facts")
    for own in ("prefix", "pred_period", "pred_len", "corpus", "valid", "ctx", "init"):
        del config[own]
    versions = {name: facts[name] for name in ("d2lrnn", "mxnet")}
    chars = hashlib.sha256("".join(run.vocab.idx_to_char).encode()).hexdigest()
    shapes = [(name, param.shape) for name, param in run.params._asdict().items()]
    valid = run.dataset.valid.sha256 if run.dataset.valid else None
    texts = {"corpus": run.dataset.sha256, "valid": valid}
    return {**config, **versions, **texts, "vocabulary": chars, "shapes": shapes}


def _share_progress(run: Run, workers: Workers) -> None:
    """Give all workers the first one's weights, moments, best and place in the corpus; to each its state."""
    from .directory import Progress

    ours = dataclasses.asdict(run.progress), run.optimizer.t, run.best, run.state is not None
    progress, run.optimizer.t, run.best, carries = json.loads(workers.tell(json.dumps(ours).encode()))
    run.progress, batch_size = Progress(**progress), run.settings.batch_size
    if carries and run.state is None:
        rows = batch_size * workers.num_workers
        run.state = run.network.init_state(rows, run.settings.hidden_dim, run.ctx)
    arrays = run.arrays()
    workers.share(arrays)
    if run.state:
        begin = batch_size * workers.index
        run.state = tuple(S[begin : begin + batch_size].copy() for S in run.state)
    sha256 = hashlib.sha256(b"".join(array.asnumpy().tobytes() for array in arrays.values()))
    workers.compare({"step count": run.optimizer.t, "weights": sha256.hexdigest()})


def part(run: Run) -> None:
    """The work in common is done: wait until all have come this far, and leave the others."""
    from ..dist import Workers

    run.note("done")
    if isinstance(run.workers, Workers):
        run.workers.leave()


def end_at_once(kind: type[BaseException] | None, error: BaseException | None, where: Any) -> None:
    """For ExitStack.push: end after an unforeseen fault. MXNet would wait for the others."""
    if kind and not issubclass(kind, SystemExit):
        traceback.print_exception(kind, error, where)
        sys.stderr.flush()
        os._exit(FAULT)
