"""The untrusted side: a process that sandboxes itself, loads mxnet once, and forks for each call.

jail.py starts this file as a script, with a clean environment and one socket. The process that forks runs
nothing of a submission and parses nothing: a question comes as three pipes, which it hands to its child. The
child reads the question from the first, writes one frame into the second and its prints into the third. What
it writes is a claim about its own values, which the grader will compare; there is nothing else that could be
forged.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.abc
import importlib.machinery
import linecache
import marshal
import os
import random
import socket
import struct
import sys
import types
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from d2lrnn.grading import loading, sandbox, wire
else:  # run by path: the package above is what a submission must not see
    import loading
    import sandbox
    import wire

SUBMISSION = "submission.py"
STATUS = struct.Struct("<i")
PLOT = b"m"  # the message of a question whose source names matplotlib, which takes a second to import


class Missing(AttributeError):
    """The driver asked for a name that the submission does not define."""


class Names:
    """A submission's names as attributes; to set one sets it in the submission too."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.__dict__ = names

    def __getattr__(self, name: str) -> Any:
        raise Missing(f"there is no {name}")


class Shim(types.ModuleType):
    """What a submission gets for `import d2lrnn`: the lent functions, and placeholders for all others."""

    def __init__(self, support: bytes) -> None:
        super().__init__("d2lrnn")
        self.__path__: list[str] = []
        exec(marshal.loads(support), self.__dict__)  # the grader's own
        self.__all__ = [
            name
            for name, value in vars(self).items()
            if not name.startswith("_") and not isinstance(value, types.ModuleType)
        ]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def placeholder(*args: Any, **kwargs: Any) -> Any:
            raise NotImplementedError(f"d2lrnn.{name} is not available while it is graded")

        return placeholder

    def __setattr__(self, name: str, value: Any) -> None:
        # `import d2lrnn.rnn` binds the name to a module; it belongs to the function.
        if not (isinstance(value, types.ModuleType) and name in vars(self)):
            super().__setattr__(name, value)


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Answers for d2lrnn and d2l, wherever they are installed: a lesson is the shim, d2l is not there."""

    def find_spec(
        self, name: str, path: Any = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Say who loads the module of this name: we, nobody, or (None) somebody else."""
        package = name.partition(".")[0]
        if package == "d2l":
            raise ModuleNotFoundError("d2l is not available while a submission is graded", name=name)
        return importlib.machinery.ModuleSpec(name, self) if package == "d2lrnn" else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """Return the shim, which `load` has made."""
        return sys.modules["d2lrnn"]

    def exec_module(self, module: types.ModuleType) -> None:
        """Do nothing: the shim is complete."""


def main() -> None:
    """Sandbox this process, load what all calls need, and answer until the grader hangs up."""
    del sys.path[0]  # the folder of this file
    control = socket.socket(fileno=int(sys.argv[1]))
    settings = wire.read_frame(control.fileno(), None)
    hello = {"lacking": [], "error": ""}
    try:
        hello["lacking"], renew = sandbox.enter(**settings)
        if not (settings["isolation"] == "strict" and hello["lacking"]):
            warm_up()
    except Exception as exc:
        hello["error"] = describe(exc)
    wire.write_frame(control.fileno(), hello)
    if not hello["error"]:
        serve(control, settings["isolation"], settings["scratch"], renew)


def warm_up() -> None:
    """Do once what takes seconds, and what each child would otherwise do again."""
    loading.load_mxnet()
    import mxnet as mx

    with mx.autograd.record():
        mx.nd.dot(mx.nd.ones((2, 2)), mx.nd.ones((2, 2))).sum().asscalar()
    sys.meta_path.insert(0, Finder())
    gc.collect()
    _remember_memory()
    gc.freeze()  # the collector of a child need not touch, and so copy, our pages


def _remember_memory() -> None:
    """Let os.sysconf say how much memory there is, which the kernel will not tell the process of a call.

    glibc does not notice that it was refused, and returns whatever lies on its stack.
    """
    name, ask = "SC_PHYS_PAGES", os.sysconf
    pages = ask(name)
    os.sysconf = lambda what: pages if what in (name, os.sysconf_names[name]) else ask(what)


def serve(control: socket.socket, isolation: str, scratch: str, renew: sandbox.Renew) -> None:
    """Fork for each question, wait for the child, and tell the grader how it ended."""
    while True:
        message, pipes, _, _ = socket.recv_fds(control, 1, 3)
        if not message:
            return
        if message == PLOT:
            with contextlib.suppress(ImportError):
                importlib.import_module("matplotlib.pyplot")
        with contextlib.suppress(OSError):  # what cannot be renewed here is named among the lacking
            renew()
        child = os.fork()
        if child == 0:
            try:
                control.close()
                os.chdir(scratch)
                answer(isolation, *pipes)
            except BaseException as exc:
                print(describe(exc), flush=True)
            finally:
                os._exit(1)
        for fd in pipes:
            os.close(fd)
        ended, status = os.wait()
        while ended != child:  # an orphan that came back to us
            ended, status = os.wait()
        control.sendall(STATUS.pack(status))


def answer(isolation: str, question: int, reply: int, console: int) -> None:
    """Run one call in this process, write its reply, and end."""
    os.dup2(console, 1)
    os.dup2(console, 2)
    os.close(console)
    null = os.open(os.devnull, os.O_RDONLY)  # not the one of all calls: flags of an open file stay
    os.dup2(null, 0)
    os.close(null)
    os.setsid()  # a process that kills its group kills itself
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    call = wire.read_frame(question, None)
    for low, high in ((3, reply), (reply + 1, 256)):  # what a library keeps open would be shared by all calls
        os.closerange(low, high)
    sandbox.enter_call(isolation, call["seconds"], call["memory"])
    stdout = sys.stdout
    result = run(call)
    with contextlib.suppress(BaseException):  # a submission may have closed it
        stdout.flush()
    wire.write_frame(reply, result)
    os._exit(0)


def run(call: dict[str, Any]) -> dict[str, Any]:
    """Return what the driver returned, as plain values, or what went wrong at which stage."""
    stage = "import"
    try:
        driver, inputs = wire.decode(call["question"])
        seed(zlib.crc32(call["question"]))
        submission = load(call["source"], call["code"], call["support"], call["lent"])
        stage = "call"
        names: dict[str, Any] = {"__name__": "driver"}
        exec(compile(driver, "driver.py", "exec", dont_inherit=True), names)
        value = wire.plain(names["drive"](submission, **inputs))
        wire.encode(value)  # what cannot be sent is an error of this call
    except BaseException as exc:
        line, stage, error = line_of(exc), stage_of(exc, stage), describe(exc)
        if stage == "call" and line is None and "argument" not in error:
            error += " (not in your file, but where its answer is used)"
        return {"ok": False, "stage": stage, "error": error, "line": line}
    return {"ok": True, "value": value}


def seed(number: int) -> None:
    """The same call draws the same numbers, whatever was asked before it."""
    import mxnet as mx

    random.seed(number)
    np.random.seed(number)  # noqa: NPY002 (what a submission may use)
    mx.random.seed(number % 2**31)


def load(source: str, code: bytes, support: bytes, lent: Sequence[str]) -> Names:
    """Run the submission as a module of its own; put the lent functions over its own of these names."""
    shim = sys.modules["d2lrnn"] = Shim(support)
    sys.argv = [SUBMISSION]
    module = sys.modules["submission"] = types.ModuleType("submission")
    linecache.cache[SUBMISSION] = (len(source), None, source.splitlines(keepends=True), SUBMISSION)
    program = marshal.loads(code) if code else compile(source, SUBMISSION, "exec", dont_inherit=True)
    exec(program, module.__dict__)
    module.__dict__.update({name: vars(shim)[name] for name in lent})
    return Names(module.__dict__)


def stage_of(exc: BaseException, stage: str) -> str:
    """Return the stage at which a call ended: import or call, or the more telling one that exc names."""
    if isinstance(exc, (Missing, NotImplementedError)):
        return "missing"
    if isinstance(exc, MemoryError) or "Failed to allocate CPU Memory" in describe(exc):
        return "memory"
    return "wire" if isinstance(exc, wire.WireError) else stage


def describe(exc: BaseException) -> str:
    """Return an exception's name and message, as far as it lets itself be shown."""
    try:
        return f"{type(exc).__name__}: {exc}"[:2000].encode(errors="replace").decode()
    except BaseException:
        return "an exception that cannot be shown"


def line_of(exc: BaseException) -> int | None:
    """Return the innermost line of the submission that an exception passed through."""
    if isinstance(exc, SyntaxError) and exc.filename == SUBMISSION:
        return exc.lineno
    line, trace = None, exc.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == SUBMISSION:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


if __name__ == "__main__":
    main()
