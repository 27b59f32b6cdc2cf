"""Recurrent language models from scratch in MXNet: a lesson is a module, a chapter and a test."""

from __future__ import annotations

import importlib
import os
import sys
import types
from typing import Any

from . import compat

__version__ = "0.1.0"
ENGINE = 2  # of lesson 15; another one adds in another order, which changes the last digits

# The table of contents. Lesson number: (module, the names it brings), all importable from d2lrnn.
CHAPTERS = {
    1: ("text", "load_corpus Vocab"),
    2: ("sampling", "try_gpu data_iter_random data_iter_consecutive fresh_offset"),
    3: ("onehot", "one_hot get_inputs"),
    4: ("rnn", "get_params init_rnn_state rnn"),
    5: ("loss", "cross_entropy perplexity"),
    6: ("clipping", "grad_clipping"),
    7: ("optim", "sgd init_adam_states adam adamw learning_rate Optimizer"),
    8: ("decoding", "predict_rnn generate"),
    9: ("training", "train_batches train_epoch evaluate train_and_predict_rnn"),
    10: ("bptt", "bptt grad_norms_by_lag"),
    11: ("gru", "get_gru_params init_gru_state gru"),
    12: ("lstm", "get_lstm_params init_lstm_state lstm"),
    13: (
        "concise",
        "RNNModel get_rnn_model set_params read_params read_gradients gru_reset_after train_epoch_gluon",
    ),
    14: ("heldout", "CountModel evaluate_counts best_epoch should_stop dropout rnn_dropout"),
    15: ("fast", "get_rows get_network"),
    16: ("checkpoint", "write_atomically save_checkpoint load_checkpoint save_next load_newest"),
    17: ("dist", "shard flat_gradients InTurn Workers Replica"),
    18: (
        "scale",
        "KneserNey estimate_discounts cut_rows network_probabilities mean_perplexity load_results",
    ),
    19: (
        "regularise",
        "get_tied_params untie embedding_dropout locked_dropout tied_lstm variable_lengths "
        "data_iter_variable scheduled_batches interpolate mixture_weights",
    ),
    20: (
        "adaptive",
        "OnlineKneserNey DynamicNetwork NeuralCache LongestMatch AdaptiveModel predict_and_read",
    ),
}
LESSON_OF = {name: lesson for lesson, names in CHAPTERS.values() for name in names.split()}
__all__ = ["CHAPTERS", *LESSON_OF]

# MXNet reads these once, when it is loaded; the user's own settings win, with one exception. Our operations
# are too small to gain from threads inside them, but gain much from running side by side: so there are as
# many workers as cores, each with one thread. Two workers with threads of their own would deadlock
# (OpenBLAS): if OMP_NUM_THREADS asks for such threads, there is one worker, whatever else is set. Workers
# also wait for each other's scratch memory, unless there is plenty.
_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
MOST_THREADS = min(_cores, 8)  # more gain nothing
if os.environ.setdefault("OMP_NUM_THREADS", "1").partition(",")[0].strip() == "1":  # "1,1" counts levels
    os.environ.setdefault("MXNET_CPU_WORKER_NTHREADS", str(MOST_THREADS))
else:
    os.environ["MXNET_CPU_WORKER_NTHREADS"] = "1"
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that spin slow a busy machine down tenfold
os.environ.setdefault("MXNET_CPU_TEMP_COPY", "4096")
compat.install()


def __getattr__(name: str) -> Any:
    """Load a lesson when one of its names is first asked for: `--help` need not wait for mxnet."""
    if name not in LESSON_OF:
        raise AttributeError(f"module 'd2lrnn' has no attribute {name!r}")
    return getattr(importlib.import_module(f"d2lrnn.{LESSON_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(types.ModuleType):
    """Importing lesson `rnn`, or the command `evaluate`, would bind `d2lrnn.rnn` to the module.

    Such a name belongs to a function of a lesson. Where that is the lesson of this name it is bound to the
    function; else it stays unbound, and __getattr__ loads the lesson when the name is asked for.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, types.ModuleType) and name in LESSON_OF:
            if LESSON_OF[name] != name:
                return
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
