"""A worker of test_workers.py's jobs: python dist_job.py FOLDER PLAN writes down what came of the plan."""

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import sys
import traceback
from pathlib import Path

from d2lrnn.dist import Workers
from d2lrnn.running import distributed
from d2lrnn.running.resume import resume_run
from d2lrnn.running.run import Run
from d2lrnn.running.settings import Settings

import numpy as np
from mxnet import nd
from small_run import KINDS

FOLDER, INDEX = Path(sys.argv[1]), int(os.environ["D2LRNN_WORKER_INDEX"])
NUM_WORKERS = int(os.environ["DMLC_NUM_WORKER"])
SMALL = Settings(
    max_chars=300,
    hidden_dim=8,
    batch_size=4,
    num_steps=5,
    epochs=2,
    pred_len=3,
    workers=NUM_WORKERS,
    warmup=0,
)
SOME_KINDS = {
    "rnn adam random": {},
    "lstm sgd consecutive": {"cell": "lstm", "optimizer": "sgd", "sampler": "consecutive"},
    "dropout": {"dropout": 0.3},
}


class OneAfterTheOther(Workers):
    """Workers for several runs: each has keys of its own, as in a job of its own."""

    num_runs, num_numbers = 0, 0

    def next_run(self) -> "OneAfterTheOther":
        self.num_runs, self._kept = self.num_runs + 1, {}
        return self

    def sum(self, key: str, array: nd.NDArray) -> None:
        self.num_numbers += array.size
        super().sum(f"{self.num_runs} {key}", array)


def train(run: Run) -> dict[str, object]:
    """Train to the end; what has come out, as sums."""
    while run.progress.epoch < run.settings.epochs:
        for _ in run.train_epoch():
            pass
        run.end_epoch()
    slots = [S for pair in run.optimizer.states for S in pair]
    sums = [hashlib.sha256(b"".join(a.asnumpy().tobytes() for a in arrays)) for arrays in (run.params, slots)]
    return {
        "weights": sums[0].hexdigest(),
        "states": sums[1].hexdigest(),
        "t": run.optimizer.t,
        "perplexities": [(line["train_perplexity"], line["heldout_perplexity"]) for line in run.metrics],
    }


def new_run(name: str, settings: Settings, index: "int | None") -> Run:
    run = Run(settings, index)
    if run.is_first:
        (FOLDER / name).mkdir()
        run.begin(FOLDER / name)
    return run


def join(run: Run, workers: OneAfterTheOther) -> Run:
    distributed.meet(run, workers)
    return run


def together(workers: OneAfterTheOther, name: str, **changes: object) -> dict[str, object]:
    run = new_run(f"{name} {workers.num_runs}", dataclasses.replace(SMALL, **changes), INDEX)
    return train(join(run, workers.next_run()))


def in_turn(name: str, **changes: object) -> dict[str, object]:
    return train(new_run(f"{name} in turn", dataclasses.replace(SMALL, **changes), None))


def in_turn_of_mine(kinds: dict) -> dict[str, object]:
    """What one process makes of every kind; the workers share this work."""
    return {name: in_turn(name, **kinds[name]) for name in list(kinds)[INDEX::NUM_WORKERS]}


# --- plans ---


def two(workers: OneAfterTheOther) -> dict[str, object]:
    few = {"corpus": (str(FOLDER / "few.txt"),)}  # whose rows are all read in a batch
    kinds = KINDS | {
        "gru": {"cell": "gru"},
        "gru, few characters": {"cell": "gru", **few},
        "lstm, few characters": {"cell": "lstm", **few},
        "as wide as the alphabet": {"hidden_dim": 12, **few},
        "characters dropped": {"dropout_embedding": 0.3, "weight_drop": 0.3, "optimizer": "sgd"},
        "tied": {"cell": "lstm", "tied": True, "dropout_in": 0.3, "sampler": "variable"},
        "two layers": {"cell": "lstm", "layers": 2, "dropout": 0.3},
        "schedule": {"weight_decay": 5.0, "schedule": "cosine", "warmup": 5},
    }
    return {
        "shared": shared(workers.next_run()),
        "told": [
            workers.tell(text.encode()).decode() for text in (f"分开 {INDEX}", "不" * (3 + INDEX), f"{INDEX}")
        ],
        "gathered": workers.gather("row", np.array([[INDEX - 0.0, -0.0, 2**24 - 1 - INDEX, 1e-45]])).tolist(),
        "hurried": hurried(workers.next_run()),
        "rows": {name: rows_of(workers.next_run(), read) for name, read in READ.items()},
        "overlapping": overlapping(workers.next_run()),
        "refused": {name: refused(workers, given) for name, given in OTHERS.items()},
        "indices": indices(workers.next_run()),
        "together": {name: together(workers, name, **kind) for name, kind in kinds.items()},
        "in turn": in_turn_of_mine(kinds),
        "resumed": resumed(workers),
    }


def three(workers: OneAfterTheOther) -> dict[str, object]:
    found: dict[str, object] = {
        "ordered": ordered(workers.next_run()),
        "together": {name: together(workers, name, **kind) for name, kind in SOME_KINDS.items()},
        "in turn": in_turn_of_mine(SOME_KINDS),
    }
    workers._in_order = False  # as without --deterministic; to start another job takes seconds
    return {**found, "as they come": together(workers, "as they come", cell="lstm")}


def shared(workers: Workers) -> str:
    """The bytes of what the first worker has, and the others have not."""
    special = [-0.0, 1e-45, -1e-40, 1 / 3, 3e38, float("inf"), 0.0]
    arrays = {"a": nd.array(special) if INDEX == 0 else nd.full(7, 5.5), "b": nd.full((2, 2), INDEX - 1)}
    workers.share(arrays)
    return "".join(array.asnumpy().tobytes().hex() for array in arrays.values())


def hurried(workers: Workers) -> list[float]:
    """Sums of many steps, where nobody waits for anything: is each of one step?"""
    flat, sums = nd.zeros(1000), []
    for step in range(60):
        flat[:] = (1 + INDEX) * 1000 + step
        workers.add_up([flat], out=flat)
        sums.append(flat[::999].copy())
    return [array.asnumpy().tolist() for array in sums]


READ = {  # what worker 0 and worker 1 read, of 16 characters
    "two": ([[3, 3], [3, 3]], [[9]]),
    "three": ([[3]], [[0, 15]]),
    "four": ([[1, 2, 3]], [[2, 3, 4]]),
    "all": ([[*range(9)]], [[*range(8, 16)]]),
    "out of range": ([[-7, 99]], [[15]]),  # taken for 0 and 15
}


def rows_of(workers: OneAfterTheOther, read: "tuple[list, list]") -> list[tuple[int, bool]]:
    """How many numbers this worker sends, and whether the sum has the right bits; twice."""
    tables, found = np.zeros((2, 3, 16, 5), np.float32), []
    for index, chars in enumerate(np.clip(np.ravel(each), 0, 15) for each in read):
        tables[index][:, chars] = np.random.default_rng(index).normal(size=(3, len(chars), 5))
        tables[index][0, chars] = -0.0
    expected = (tables[0] + tables[1]).tobytes()
    for _ in range(2):
        before, row = workers.num_numbers, nd.array(tables[INDEX])
        workers.add_up([row], row, "tables", nd.array(read[INDEX], dtype="int32"))
        found.append((workers.num_numbers - before, row.asnumpy().tobytes() == expected))
    return found


def overlapping(workers: Workers) -> list[float]:
    """A row that is there is added up while another is waited for: else this would wait for itself."""
    early, late, key = nd.zeros(20_000), nd.zeros(20_000), nd.zeros(1)
    for name, row in (("early", early), ("late", late), ("key", key)):  # a new key has to be waited for
        workers.sum(name, row)
        row.wait_to_read()
    early += 1 + INDEX
    late += 10 + INDEX
    if INDEX == 0:
        workers.sum("key", key)
        late += key  # the other one sends it once it has the sum of what is early
    workers.add_up([late], late, "late")
    workers.add_up([early], early, "early")
    early.wait_to_read()
    if INDEX:
        workers.sum("key", key)
    return [float(row[-1].asscalar()) for row in (early, late)]


def ordered(workers: Workers) -> list[list[float]]:
    """What is added in another order is another number."""
    rows = [[1e8, 1e8, 1], [1, -1e8, 1e8], [-1e8, 1, -1e8]]
    sums = []
    for _ in range(10):
        out = nd.empty(3)
        workers.add_up([nd.array(rows[INDEX])], out=out)
        sums.append(out.asnumpy().tolist())
    return sums


OTHERS = {
    "lr": {"lr": 0.125},
    "num_steps": {"num_steps": 4},
    "seed": {"seed": 1},
    "max_chars": {"max_chars": 299},
    "corpus": {"corpus": "corpus"},
    "vocabulary": {"corpus": "vocabulary"},
}


def refused(workers: OneAfterTheOther, changes: dict) -> str:
    """What a worker hears where the last one was started with something else."""
    given = dict(changes) if INDEX == NUM_WORKERS - 1 else {}
    if "corpus" in changes:
        given["corpus"] = (str(FOLDER / f"{given.get('corpus', 'ours')}.txt"),)
    try:
        join(Run(dataclasses.replace(SMALL, **given), INDEX), workers.next_run())
    except ValueError as error:
        return str(error)
    return "nothing"


def indices(workers: OneAfterTheOther) -> list[str]:
    """What is heard where all give themselves the index 0, and where all take the last one."""
    heard = []
    for index in (0, NUM_WORKERS - 1, INDEX):
        workers.index = index
        try:
            workers.compare({})
            heard.append("nothing")
        except ValueError as error:
            heard.append(str(error))
    return heard


def resumed(workers: OneAfterTheOther) -> dict[str, object]:
    """The last worker asks for a checkpoint in the middle of an epoch, and then all of them are gone."""
    settings = dataclasses.replace(SMALL, cell="lstm", sampler="consecutive")
    run, saved = join(new_run("stopped", settings, INDEX), workers.next_run()), []
    for _ in run.train_epoch():
        save, _ = run.agree(INDEX == NUM_WORKERS - 1 and run.progress.batch == 2, False)
        if save:
            run.save()
            saved.append(run.progress.batch)
        if run.progress.batch == 5:
            break
    if INDEX == 0:
        shutil.copytree(FOLDER / "stopped", FOLDER / "stopped too")
    again = resume_run(FOLDER / "stopped", {}, 0) if INDEX == 0 else Run(settings, INDEX)
    found: dict[str, object] = {"saved": saved, "together": train(join(again, workers.next_run()))}
    if INDEX == 0:
        found["in turn"] = train(resume_run(FOLDER / "stopped too", {}))
    return found


def main() -> None:
    workers = OneAfterTheOther(INDEX, NUM_WORKERS, deterministic=True)
    found = {"two": two, "three": three}[sys.argv[2]](workers)
    (FOLDER / f"found {INDEX}.json").write_text(json.dumps(found))
    workers.leave()


if __name__ == "__main__":
    try:
        main()
    except BaseException:  # MXNet would wait at the end of this process for the others
        traceback.print_exc()
        with contextlib.suppress(OSError):
            sys.stderr.flush()
        os._exit(1)
