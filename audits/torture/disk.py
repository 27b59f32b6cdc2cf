"""A disk that is full, read-only, gone, or that fails: a clear line, and nothing that was saved is lost."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import math
import os
import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from d2lrnn.running.folder import CHECKPOINTS

from tqdm import tqdm

from .children import at_file, call, predict_from, train_into
from .figures import Figure, Findings
from .small_runs import arguments, differences, of_run, passed_over, small_corpus

WRITTEN = (  # what is opened for writing, and how often at most in a small run
    ("arrays.npz", 30), ("facts.json", 30), ("manifest.json", 30), (".LATEST", 30), (".config.json", 1),
    ("metrics.jsonl", 3), ("samples.txt", 2), (".curve.svg", 1),
)  # fmt: skip


class Campaign:
    """One run, the numbers that it must have, and what became of it when the disk failed."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.chance = folder, random.Random(seed)
        self.flags = [*arguments(small_corpus(folder), "gru", "adam", "consecutive", 0.3), "--autosave", "0"]
        self.counts: Counter[str] = Counter()
        self.findings = Findings()
        whole = folder / "whole"
        answer = call(train_into(whole, *self.flags))
        assert answer.code == 0, answer
        self.wanted = of_run(whole)

    def trouble(
        self, what: str, run: Path, set_up: Callable[[], None], mend: Callable[[], Any], says: str
    ) -> None:
        """Train into run with a fault that set_up prepares in the child; repair it, and resume to the end."""

        def action() -> int:
            set_up()
            return train_into(run, *self.flags)()

        answer = call(action)
        wrong = answer.complaint(1, 2)
        if not wrong and says not in answer.err:
            wrong = f"does not say {says!r}: {answer.err}"
        mend()
        with contextlib.suppress(FileNotFoundError):  # it had not begun
            wrong += "".join(f"; {line}" for line in passed_over(run))
        wrong = (
            wrong or call(train_into(run, *self.flags)).complaint(0) or differences(of_run(run), self.wanted)
        )
        self.counts[what.split(":")[0]] += 1
        if wrong:
            self.findings.append(f"{what}: {wrong}")
        shutil.rmtree(run, ignore_errors=True)

    def full(self, disk: Path, part: str, nth: int) -> None:
        """The disk is full from the nth write of such a file on."""
        ballast = disk / "ballast"
        self.trouble(
            f"full disk: {part}, {nth}",
            disk / "run",
            lambda: at_file(part, nth, lambda: fill(ballast), writing=True),
            lambda: ballast.unlink(missing_ok=True),
            os.strerror(errno.ENOSPC),
        )

    def no_new_file(self, part: str, nth: int) -> None:
        """No file can be opened because the disk is full, though later there is room again."""
        message = os.strerror(errno.ENOSPC)

        def refuse() -> None:
            raise OSError(errno.ENOSPC, message)

        def set_up() -> None:
            for _ in range(2):  # zipfile tries twice; what the first refuses, the second does not see
                at_file(part, nth, refuse, writing=True)

        self.trouble(
            f"failing: opening {part}, {nth}", self.folder / "refused", set_up, lambda: None, message
        )

    def read_only(self, nth: int) -> None:
        """The directory is made read-only while the run goes on."""
        run = self.folder / "read-only"
        folders = (run, run / CHECKPOINTS)

        def make(mode: int) -> None:
            for folder in filter(Path.exists, folders):
                folder.chmod(mode)

        def set_up() -> None:
            be_no_superuser()
            at_file(f"{run}/", nth, lambda: make(0o555))

        self.trouble(f"read-only: {nth}", run, set_up, lambda: make(0o755), os.strerror(errno.EACCES))

    def gone(self, nth: int, *, moved: bool) -> None:
        """The directory is removed or renamed while the run goes on."""
        run, away = self.folder / "gone", self.folder / "away"
        self.trouble(
            f"gone: {'moved' if moved else 'removed'}, {nth}",
            run,
            lambda: at_file(f"{run}/", nth, lambda: move(run, away) if moved else shutil.rmtree(run)),
            lambda: move(away, run) if moved else None,
            os.strerror(errno.ENOENT),
        )

    def failing(self, name: str, nth: int) -> None:
        """A system call, os.fsync or os.replace, fails."""
        right, left = getattr(os, name), nth

        def fail(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if not left:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return right(*arguments, **options)

        run = self.folder / "failing"
        message = os.strerror(errno.EIO)
        self.trouble(f"failing: {name}, {nth}", run, lambda: setattr(os, name, fail), lambda: None, message)

    def read_only_from_the_start(self) -> None:
        """predict reads a run that is read-only; train refuses to resume it, and to begin one."""
        run, seen = self.folder / "half", self.folder / "seen"
        call(train_into(run, *self.flags, "--epochs", 1))
        seen.mkdir()
        with mounted(seen, "--bind", run), mounted(seen, "-o", "remount,bind,ro"):
            text = call(predict_from(seen))
            answers = [call(train_into(seen, "--epochs", 2)), call(train_into(seen / "new", *self.flags))]
        for wrong in (text.complaint(0), *(answer.complaint(2) for answer in answers)):
            self.counts["mounted read-only"] += 1
            if wrong:
                self.findings.append(f"mounted read-only: {wrong}")

    def too_small(self, disk: Path) -> None:
        """A disk too small for even the first checkpoint."""
        wrong = call(train_into(disk / "run", *self.flags, "--hidden-dim", 400)).complaint(2)
        self.counts["full disk"] += 1
        if wrong:
            self.findings.append(f"full disk: too small: {wrong}")
        shutil.rmtree(disk / "run")


def fill(ballast: Path) -> None:
    """Fill the disk."""
    with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


def move(source: Path, target: Path) -> None:
    """Rename, if it is there."""
    if source.exists():
        source.rename(target)


def be_no_superuser() -> None:
    """Drop the capability that lets root write anywhere."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() == 0 and libc.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()):
        raise OSError(ctypes.get_errno(), "capset")


@contextlib.contextmanager
def mounted(folder: Path, *options: str | Path) -> Iterator[None]:
    """Mount something at folder; raises PermissionError where that is not allowed."""
    if subprocess.run(["mount", *options, folder], capture_output=True).returncode:
        raise PermissionError(f"mount {options} is not permitted")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], capture_output=True)


def can_mount(folder: Path) -> bool:
    """Whether a small disk can be mounted here."""
    try:
        with mounted(folder, "-t", "tmpfs", "tmpfs"):
            return True
    except PermissionError:
        return False


def run(folder: Path, seed: int, size: float) -> list[Figure]:
    """Ten rounds, times size."""
    return fail_disks(folder, seed, rounds=math.ceil(10 * size))


def fail_disks(folder: Path, seed: int, *, rounds: int, files: int = len(WRITTEN)) -> list[Figure]:
    """Each kind of fault once a round, at different moments; faults of files with this many kinds of file."""
    campaign, disk = Campaign(folder, seed), folder / "disk"
    disk.mkdir()
    can = can_mount(disk)
    if can:
        campaign.read_only_from_the_start()
    for _ in tqdm(range(rounds), unit=" rounds", disable=None):
        if can:
            with mounted(disk, "-t", "tmpfs", "-o", "size=1m", "tmpfs"):
                _fill_disks(campaign, disk, files)
        _break_disks(campaign, files)
    return _figures(campaign)


def _fill_disks(campaign: Campaign, disk: Path, files: int) -> None:
    campaign.too_small(disk)
    for part, most in campaign.chance.sample(WRITTEN, files):
        campaign.full(disk, part, campaign.chance.randint(1, most))


def _break_disks(campaign: Campaign, files: int) -> None:
    chance = campaign.chance
    campaign.read_only(chance.randint(20, 150))
    campaign.gone(chance.randint(5, 150), moved=True)
    campaign.gone(chance.randint(5, 150), moved=False)
    for part, most in chance.sample(WRITTEN, files):
        campaign.no_new_file(part, chance.randint(1, most))
    for name, most in (("fsync", 100), ("replace", 30)):
        campaign.failing(name, chance.randint(1, most))


def _figures(campaign: Campaign) -> list[Figure]:
    bar = "all: a line, exit 1 or 2; then as if whole"
    names = {
        "full disk": "a full disk, a tmpfs of 1 MB, at each kind of file",
        "mounted read-only": "a disk that is read-only: predict reads, train says so",
        "read-only": "a directory made read-only on the way",
        "gone": "a directory removed or renamed on the way",
        "failing": "fsync, rename or the opening of a file that fails",
    }
    figures = []
    for name, what in names.items():
        tried = campaign.counts[name]
        wrong = sum(line.startswith(name) for line in campaign.findings)
        found = f"{tried - wrong} of {tried}" if tried else "mounting is not permitted here"
        figures.append(Figure(what, bar, found, not wrong if tried else None))
    return figures
