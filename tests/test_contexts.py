"""Everything is computed on the device that was asked for.

`mx.cpu(1)` stands in for a GPU. Where MXNet refuses to mix a GPU with a CPU, it mixes these two in silence:
so each array and each operation is looked at here.
"""

import itertools
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

import d2lrnn
from d2lrnn import CHAPTERS, export, predict, train
from d2lrnn.decoding import Choice, generate_batch
from d2lrnn.running import distributed
from d2lrnn.running.dataset import find_context
from d2lrnn.running.run import Run
from d2lrnn.running.settings import Settings, flags

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon, nd

pytestmark = pytest.mark.slow

HOME = mx.cpu(1)
ALLOWED = {  # who may use another device, and why
    "mxnet.gluon.parameter._finish_deferred_init": "Gluon draws weights on the CPU and copies them",
    "d2lrnn.running.resume._newest": "which device a checkpoint goes to is known once it has been read",
    "d2lrnn.running.run.resume": "copies them to it",
    "d2lrnn.engine.kvstore.gather": "what workers tell each other beside the gradients is numpy's",
    "d2lrnn.engine.kvstore.tell": "likewise",
    "d2lrnn.engine.kvstore.read_by_any": "likewise",
}
VOCAB = d2lrnn.Vocab("abcde")
CORPUS = VOCAB.encode("abcdeedcbaaabbccddee" * 2)
DATA = nd.array([[0, 1, 2], [3, 4, 0]], HOME, "int32")
LABEL = nd.array([[1, 2, 3], [4, 0, 1]], HOME, "int32")
V, N, BATCH_SIZE, NUM_STEPS = len(VOCAB), 4, *DATA.shape
RNG = np.random.default_rng(0)
CELLS = ("rnn", "gru", "lstm")


# --- the audit ---


@contextmanager
def everything_on(home: mx.Context) -> Iterator[Counter[str]]:
    """Until it is left, an array or operation on another device than home fails the test; what was seen.

    All operations go through two calls, and all arrays that Python sees through one constructor.
    """
    seen: Counter[str] = Counter()
    invoke, call = nd.register._imperative_invoke, nd.CachedOp.__call__
    Array = nd.register.NDArrayBase
    make = Array.__init__

    def check(kind: str, name: str, arrays: Any, *places: Any) -> None:
        seen[kind] += 1
        found = {str(array.context) for array in arrays} | set(map(str, places))
        if found - {str(home)} and not _is_allowed():
            pytest.fail(f"{name} on {' and '.join(sorted(found))}: everything belongs on {home}")

    def watched_invoke(handle: Any, inputs: Any, keys: Any, values: Any, out: Any, *rest: Any) -> Any:
        places = [value for key, value in zip(keys, values) if key == "ctx"]
        check("operations", sys._getframe(1).f_code.co_name, [*inputs, *_listed(out)], *places)
        return invoke(handle, inputs, keys, values, out, *rest)

    def watched_call(graph: Any, *inputs: Any, out: Any = None) -> Any:
        check("graphs", "a graph", [*inputs, *_listed(out)])
        return call(graph, *inputs, out=out)

    def watched_make(array: Any, *arguments: Any, **options: Any) -> None:
        make(array, *arguments, **options)
        check("arrays", "an array", [array])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nd.register, "_imperative_invoke", watched_invoke)
        patch.setattr(nd.CachedOp, "__call__", watched_call)
        patch.setattr(Array, "__init__", watched_make)
        yield seen


def _listed(out: Any) -> Any:
    return [out] if isinstance(out, nd.NDArray) else out or []


def _is_allowed() -> bool:
    frame = sys._getframe(1)
    while frame:
        if f"{frame.f_globals.get('__name__')}.{frame.f_code.co_name}" in ALLOWED:
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine has one GPU: HOME."""
    monkeypatch.setattr(mx.context, "num_gpus", lambda: 1)
    monkeypatch.setattr(mx, "gpu", lambda device_id=0: HOME)


def product_of(X: nd.NDArray, Y: nd.NDArray) -> nd.NDArray:
    """X * Y by a graph."""
    return nd.CachedOp(mx.sym.var("X") * mx.sym.var("Y"))(X, Y)


def marked(param: nd.NDArray, gradient: nd.NDArray) -> nd.NDArray:
    autograd.mark_variables([param], [gradient])
    return param


def caught(function: Callable) -> None:
    with suppress(Exception):
        function()


HERE, THERE = nd.ones(2, HOME), nd.ones(2, mx.cpu())
STRAYS = {
    "an operation on two devices": lambda: HERE + THERE,
    "an operation in place on another one": lambda: THERE.__iadd__(1),
    "an operation told to work on another one": lambda: nd.zeros(2, mx.cpu(), out=HERE),
    "a graph on two devices": lambda: product_of(HERE, THERE),
    "an array on the default device, of no operation": lambda: nd.array([1]),
    "an array there that is only reserved": lambda: nd.empty(1),
    "a gradient on another device than its parameter": lambda: marked(HERE.copy(), THERE).grad,
    "a copy": lambda: HERE.as_in_context(mx.cpu()),
    "one whose error is caught": lambda: caught(lambda: nd.zeros(1)),
}


@pytest.mark.parametrize("stray", STRAYS.values(), ids=STRAYS)
def test_what_is_on_another_device_is_seen(stray: Callable) -> None:
    with (
        everything_on(HOME),
        pytest.raises(pytest.fail.Exception, match=r"cpu\(0\).*cpu\(1\)"),
    ):
        stray()


def test_what_is_on_one_device_is_counted_and_passes() -> None:
    with everything_on(HOME) as seen:
        nd.dot(HERE, product_of(HERE, HERE))

    assert seen == {"operations": 1, "graphs": 1, "arrays": 2}


def test_every_generated_operation_makes_the_call_that_is_watched() -> None:
    modules = [
        module for name, module in list(sys.modules.items()) if name.split(".")[0] == "mxnet" and module
    ]
    operations = [
        function
        for module in modules
        for function in vars(module).values()
        if isinstance(function, FunctionType) and "_imperative_invoke" in function.__code__.co_names
    ]

    assert len(operations) > 300
    assert {id(function.__globals__) for function in operations} == {id(vars(nd.register))}


# --- the lessons: each takes them, and the ctx that it gives to all that take one ---


def learnt(cell: Callable, get_params: Callable, init_state: Callable, ctx: mx.Context | None) -> Any:
    """Parameters with the gradients of a batch."""
    params, state = get_params(V, N, ctx), init_state(BATCH_SIZE, N, ctx)
    with autograd.record():
        outputs, state = cell(d2lrnn.get_inputs(DATA, V), state, params)
        loss = d2lrnn.cross_entropy(nd.concat(*outputs, dim=0), LABEL.T.reshape(-1))
    loss.backward()
    assert {S.context for S in state} | {param.grad.context for param in params} == {HOME}
    return params


def learnt_rnn(ctx: mx.Context | None) -> Any:
    return learnt(d2lrnn.rnn, d2lrnn.get_params, d2lrnn.init_rnn_state, ctx)


def lone_worker(lessons: Any, num_workers: int = 1) -> Any:
    """A worker whose others, if any, send nothing, around a store of this process in place of a server."""
    local = mx.kv.create("local")
    names = ("handle", "init", "push", "pull")
    store = SimpleNamespace(
        type="dist_sync", num_workers=num_workers, **{name: getattr(local, name) for name in names}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mx.runtime, "Features", lambda: SimpleNamespace(is_enabled=lambda name: True))
        patch.setattr(mx.kv, "create", lambda name: store)
        return lessons.Workers(0, num_workers, deterministic=True)  # decides from three on


def as_indices(indices: list, ctx: mx.Context | None) -> Any:
    """A list, which has no device, or an NDArray on ctx."""
    return nd.array(indices, ctx, "int32") if ctx else indices


def use_text(lessons: Any, ctx: mx.Context | None) -> None:
    lessons.Vocab(lessons.load_corpus("lyrics", max_chars=99)).decode(DATA.T)


def use_sampling(lessons: Any, ctx: mx.Context | None) -> None:
    for data_iter in (lessons.data_iter_random, lessons.data_iter_consecutive):
        assert all((data != label).context == HOME for data, label in data_iter(CORPUS, 2, 3, ctx))
    lessons.fresh_offset(np.random.default_rng(0), 40, 2, 3, is_random_iter=True)
    assert lessons.try_gpu() == HOME or ctx


def use_onehot(lessons: Any, ctx: mx.Context | None) -> None:
    lessons.one_hot(as_indices([0, 2], ctx), V)
    lessons.one_hot(DATA[0, 0], V)
    lessons.get_inputs(as_indices([[0, 2]], ctx), V)


def use_rnn(lessons: Any, ctx: mx.Context | None) -> None:
    learnt(lessons.rnn, lessons.get_params, lessons.init_rnn_state, ctx)


def use_loss(lessons: Any, ctx: mx.Context | None) -> None:
    logits = nd.ones((2, V), HOME)
    for label in ([0, 1], LABEL[:, 0]):
        assert lessons.perplexity(lessons.cross_entropy(logits, label).asscalar()) == pytest.approx(V, 1e-4)


def use_clipping(lessons: Any, ctx: mx.Context | None) -> None:
    for theta in (1e-3, 1e3):
        lessons.grad_clipping(learnt_rnn(ctx), theta)


def use_optim(lessons: Any, ctx: mx.Context | None) -> None:
    params = learnt_rnn(ctx)
    lessons.sgd(params, 0.1)
    lessons.adam(params, lessons.init_adam_states(params), 0.1, 1)
    lessons.adamw(params, lessons.init_adam_states(params), 0.1, 2, weight_decay=0.1)
    for name in ("sgd", "adam"):
        lessons.Optimizer(name, params, 0.1).step(params)
        lessons.Optimizer(name, params, lessons.learning_rate(1, 0.1), weight_decay=0.1).step(params)


def use_decoding(lessons: Any, ctx: mx.Context | None) -> None:
    network = d2lrnn.rnn, learnt_rnn(ctx), d2lrnn.init_rnn_state, N, VOCAB
    for where in (ctx, None):  # None: where the parameters are
        lessons.predict_rnn("ab", 4, *network, where)
        lessons.generate("ab", 4, *network, where, temperature=0.8, top_k=3, top_p=0.9, seed=0)


def use_training(lessons: Any, ctx: mx.Context | None) -> None:
    network = d2lrnn.rnn, learnt_rnn(ctx), d2lrnn.init_rnn_state
    for is_random_iter, name in itertools.product((True, False), ("sgd", "adam")):
        data_iter = d2lrnn.data_iter_random if is_random_iter else d2lrnn.data_iter_consecutive
        how: Any = d2lrnn.Optimizer(name, network[1], 0.1), 1.0
        for train_epoch in (lessons.train_epoch, lambda *a, **b: list(lessons.train_batches(*a, **b))):
            train_epoch(*network, data_iter(CORPUS, 2, 3, ctx), *how, is_random_iter=is_random_iter)
        lessons.train_and_predict_rnn(
            d2lrnn.rnn, d2lrnn.get_params, d2lrnn.init_rnn_state, N, VOCAB, CORPUS, ctx=ctx,
            is_random_iter=is_random_iter, num_epochs=2, num_steps=3, lr=0.1, batch_size=2, optimizer=name,
            pred_period=1, pred_len=3, prefixes=["ab"],
        )  # fmt: skip
    for where in (ctx, None):
        lessons.evaluate(*network, CORPUS, 2, 3, where)


def use_bptt(lessons: Any, ctx: mx.Context | None) -> None:
    given = d2lrnn.get_inputs(DATA, V), LABEL, d2lrnn.init_rnn_state(BATCH_SIZE, N, ctx), learnt_rnn(ctx)
    loss, gradients = lessons.bptt(*given)
    assert {array.context for array in (loss, *gradients)} == {HOME}
    lessons.grad_norms_by_lag(*given)


def use_gru(lessons: Any, ctx: mx.Context | None) -> None:
    learnt(lessons.gru, lessons.get_gru_params, lessons.init_gru_state, ctx)


def use_lstm(lessons: Any, ctx: mx.Context | None) -> None:
    learnt(lessons.lstm, lessons.get_lstm_params, lessons.init_lstm_state, ctx)


def use_concise(lessons: Any, ctx: mx.Context | None) -> None:
    for cell, num_layers in itertools.product(CELLS, (1, 2)):
        model = lessons.get_rnn_model(cell, V, N, num_layers, ctx)
        assert isinstance(model, lessons.RNNModel)
        lessons.set_params(model, d2lrnn.get_network(cell, num_layers).get_params(V, N, ctx))
        model(d2lrnn.get_inputs(DATA, V), model.begin_state(BATCH_SIZE, ctx))
        trainer = gluon.Trainer(model.collect_params(), "adam")
        for is_random_iter in (True, False):
            batches = d2lrnn.data_iter_consecutive(CORPUS, 2, 3, ctx)
            lessons.train_epoch_gluon(model, trainer, batches, 1e-3, is_random_iter=is_random_iter)
        read = [*lessons.read_params(model).values(), *lessons.read_gradients(model).values()]
        assert {array.context for array in read} == {HOME}
    learnt(lessons.gru_reset_after, d2lrnn.get_gru_params, d2lrnn.init_gru_state, ctx)


def use_heldout(lessons: Any, ctx: mx.Context | None) -> None:
    lessons.evaluate_counts(lessons.CountModel(CORPUS, V, 3), CORPUS, 2)
    assert lessons.best_epoch([2.0, 1.0]) == 2 and not lessons.should_stop([2.0, 1.0], 1)
    with autograd.record():
        lessons.dropout(HERE, 0.5)

    def cell(inputs: Any, state: Any, params: Any) -> Any:
        return lessons.rnn_dropout(inputs, state, params, 0.5)

    learnt(cell, d2lrnn.get_params, d2lrnn.init_rnn_state, ctx)


def use_fast(lessons: Any, ctx: mx.Context | None) -> None:
    for cell, num_layers, dropout in itertools.product(CELLS, (1, 2), (0.0, 0.3)):
        network = lessons.get_network(cell, num_layers, dropout=dropout)
        params = learnt(network.rnn, network.get_params, network.init_state, ctx)
        state = network.init_state(BATCH_SIZE, N, ctx)
        for name, theta in itertools.product(("sgd", "adam"), (1e-3, 1e3)):
            optimizer = d2lrnn.Optimizer(name, params, 0.1, weight_decay=0.1)
            _, state = network.train_batch(params, state, (DATA, LABEL), optimizer, theta)
        assert {param.grad.context for param in params} == {HOME}
        network.rnn(lessons.get_rows(as_indices([[0, 2], [1, 3]], ctx), V), state, params)
        network.measure(DATA, LABEL, state, params)
        d2lrnn.evaluate(
            network.rnn, params, network.init_state, CORPUS, 2, 3, ctx, get_inputs=lessons.get_rows
        )
        writer = network.writer(params)
        for temperature in (0, 1):
            generate_batch(["ab", "c"], 25, writer, VOCAB, Choice(temperature), num_samples=2)


def use_checkpoint(lessons: Any, ctx: mx.Context | None) -> None:
    params = learnt_rnn(ctx)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lessons.write_atomically(folder / "a", b"a")
        lessons.save_checkpoint(folder / "b", params._asdict(), {})
        lessons.save_next(folder / "c", params._asdict(), {})
        loaded, _ = lessons.load_checkpoint(folder / "b", ctx)
        _, newest, *_ = lessons.load_newest(folder / "c", ctx)
    assert {array.context for array in (*loaded.values(), *newest.values())} == {HOME}


def use_dist(lessons: Any, ctx: mx.Context | None) -> None:
    lessons.shard(CORPUS, 0, 2)
    for cell, dropout in itertools.product(CELLS, (0.0, 0.3)):
        network = d2lrnn.get_network(cell, 2, dropout=dropout)
        for workers in (lessons.InTurn(2), lone_worker(lessons), lone_worker(lessons, 3)):
            params = learnt(network.rnn, network.get_params, network.init_state, ctx)
            replica = lessons.Replica(network, params, workers)
            optimizer = d2lrnn.Optimizer("adam", params, 0.1)
            state = network.init_state(BATCH_SIZE, N, ctx)
            replica.train_batch(params, state, (DATA, LABEL), optimizer, 1.0)
            replica.measure(DATA, LABEL, state, params)
            assert {param.grad.context for param in params} == {HOME}
    assert lessons.flat_gradients(learnt_rnn(ctx), spare=4).context == HOME


def use_scale(lessons: Any, ctx: mx.Context | None) -> None:
    model, rows = lessons.KneserNey(CORPUS, V, 3), lessons.cut_rows(CORPUS, 2, V)
    lessons.estimate_discounts(np.array([1, 2, 2]))
    p = lessons.network_probabilities(d2lrnn.rnn, learnt_rnn(ctx), d2lrnn.init_rnn_state, rows, 3)
    assert lessons.mean_perplexity(0.5 * p + 0.5 * model.probabilities(rows)) > 1
    assert lessons.load_results(study="none of this name") == []


def use_regularise(lessons: Any, ctx: mx.Context | None) -> None:
    params = lessons.get_tied_params(V, N, ctx, indices=CORPUS)
    optimizer, lengths = d2lrnn.Optimizer("adam", params, 0.1), lessons.variable_lengths(20, 6, RNG)
    batches = lessons.data_iter_variable(CORPUS, lengths, 2, ctx, offset=3)
    batches = lessons.scheduled_batches(batches, optimizer, 0.1, num_steps=6)
    drops = {"p_embedding": 0.2, "p_in": 0.2, "p_weights": 0.2, "p_out": 0.2}
    cell, how = partial(lessons.tied_lstm, **drops), (optimizer, 1.0)
    d2lrnn.train_epoch(cell, params, d2lrnn.init_lstm_state, batches, *how, is_random_iter=False)
    assert {array.context for array in (*lessons.untie(params), *(p.grad for p in params))} == {HOME}
    with autograd.record():
        lessons.embedding_dropout(params.W_e, 0.5)
        lessons.locked_dropout(nd.ones((2, 3, 4), HOME), 0.5)
    mixed = lessons.interpolate([[0.1, 0.4], [0.3, 0.2]])
    assert mixed @ lessons.mixture_weights([[0.1, 0.4], [0.3, 0.2]]) > 0


def use_adaptive(lessons: Any, ctx: mx.Context | None) -> None:
    for cell, num_layers in itertools.product(CELLS, (1, 2)):
        network = d2lrnn.get_network(cell, num_layers)
        params = learnt(network.rnn, network.get_params, network.init_state, ctx)
        dynamic = lessons.DynamicNetwork(network, params, num_steps=3)
        counts, match = lessons.OnlineKneserNey(V), lessons.LongestMatch(V)
        models = [dynamic, lessons.NeuralCache(dynamic), counts, match]
        model = lessons.AdaptiveModel(models, ctx=ctx)
        assert np.isfinite(lessons.predict_and_read(model, CORPUS)).all()
        assert {array.context for array in (model.W, dynamic.logits, *dynamic.params)} == {HOME}


class Asked:
    """A module that remembers which of its names it was asked for."""

    def __init__(self, module: ModuleType) -> None:
        self.module, self.names = module, set[str]()

    def __getattr__(self, name: str) -> Any:
        self.names.add(name)
        return getattr(self.module, name)


def use(number: int, subject: ModuleType, ctx: mx.Context | None) -> None:
    """Every name of a lesson is used, on arrays of HOME, and nothing is anywhere else."""
    lesson, names = CHAPTERS[number]
    lessons = Asked(subject)

    with everything_on(HOME) as seen:
        globals()[f"use_{lesson}"](lessons, ctx)

    assert lessons.names >= set(names.split()), f"use_{lesson} is to use {set(names.split()) - lessons.names}"
    assert seen["arrays"] > 0 and seen["operations"] > 0


@pytest.mark.parametrize("number", CHAPTERS)
def test_a_lesson_stays_on_the_device_that_is_named(subject: ModuleType, number: int) -> None:
    use(number, subject, HOME)


@pytest.mark.parametrize("number", CHAPTERS)
def test_a_lesson_takes_the_gpu_where_no_device_is_named(subject: ModuleType, number: int, gpu: None) -> None:
    use(number, subject, None)


# --- the commands ---


SMALL: Any = {"max_chars": 600, "hidden_dim": 8, "batch_size": 4, "num_steps": 5, "epochs": 2}
SMALL |= {"pred_len": 6, "pred_period": 1}
KINDS: dict[str, Any] = {
    "rnn": {"cell": "rnn", "sampler": "random", "optimizer": "adam", "dropout": 0.3, "weight_decay": 0.1},
    "gru": {"cell": "gru", "sampler": "consecutive", "optimizer": "sgd"},
    "lstm": {"cell": "lstm", "sampler": "consecutive", "optimizer": "adam", "layers": 2, "dropout": 0.3},
    "tied": {"cell": "lstm", "sampler": "variable", "tied": True, "locked_dropout": True, "dropout": 0.3}
    | {"dropout_in": 0.3, "dropout_embedding": 0.3, "weight_drop": 0.3},
    "workers": {"cell": "lstm", "sampler": "consecutive", "optimizer": "adam", "workers": 2},
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("ctx", "home"), [("gpu", HOME), ("cpu", mx.cpu())], ids=str)
def test_the_commands_stay_on_their_device(
    kind: str, ctx: str, home: mx.Context, gpu: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings(**SMALL, **KINDS[kind], ctx=ctx)
    with everything_on(home) as seen:
        assert train.main([*flags(settings), "--out=a", "--autosave=0", "--in-turn"]) == 0
        begin(settings, Path("b"))
        assert train.main(["--resume=b", "--in-turn"]) == 0
        for option in ([], ["--temperature=0"], ["--best"], ["--last"]):
            assert predict.main(["b", f"--ctx={ctx}", "--length=25", *option]) == 0
        assert export.main(["b", f"--ctx={ctx}", "--out=d"]) == 0
        assert predict.main(["d", f"--ctx={ctx}"]) == 0

    assert seen["operations"] > 1000 and seen["graphs"] > 100
    assert str(home) in Path("a/config.json").read_text("utf-8")


def begin(settings: Settings, folder: Path) -> None:
    """A run that is stopped after three batches; consecutive ones carry a state."""
    folder.mkdir()
    run = Run(settings)
    run.begin(folder)
    batches = run.train_epoch()
    for _ in range(3):
        next(batches)
    run.save()
    assert settings.is_random_iter or run.state


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["random", "consecutive"])
def test_a_worker_of_a_job_stays_on_its_device(sampler: str, gpu: None, tmp_path: Path) -> None:
    with everything_on(HOME):
        run = Run(Settings(**SMALL, sampler=sampler, ctx="gpu"))
        run.begin(tmp_path)
        distributed.meet(run, lone_worker(d2lrnn))
        for _ in run.train_epoch():
            run.agree(True, False)
        run.save()


def test_auto_is_the_gpu_where_there_is_one(gpu: None) -> None:
    assert find_context("auto") == find_context("gpu") == HOME
    assert find_context("cpu") == mx.cpu()


@pytest.mark.parametrize("command", [train, predict, export], ids=lambda command: command.__name__)
def test_a_gpu_that_is_not_there_is_refused(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mx.context, "num_gpus", lambda: 0)

    assert command.main(["--ctx=gpu"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"{command.PROG}: --ctx gpu: ")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [train, predict, export], ids=lambda command: command.__name__)
def test_every_command_that_computes_has_the_same_flag(
    command: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        command.main(["--help"])

    shown = " ".join(capsys.readouterr().out.split())
    assert "--ctx {auto,cpu,gpu}" in shown
