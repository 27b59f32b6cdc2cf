"""Lesson 2. What the two samplers and fresh_offset are asked.

Random windows may come in any order, so they are judged by laws and not by an expected answer. In a corpus
where no index comes twice, a row of a batch tells where it was cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from typing import Any

import mxnet as mx
import numpy as np

from ..case import Case, Mistake, differs, refused, short
from ..mistakes import told
from .driving import refusal

EPOCHS, MANY_EPOCHS = 40, 400
DEVIATIONS = 6  # a fair shuffle is this far off once in 10^8 epochs


def unzipped(batches: Iterable[Any]) -> dict[str, list]:
    """The data and the labels of batches, of which there may be none."""
    pairs = list(islice(batches, 2000))
    return {"data": [data for data, _ in pairs], "label": [label for _, label in pairs]}


def _numpy(array: Any) -> np.ndarray:
    """An array of either library, or a list, as one of NumPy."""
    return array.asnumpy() if hasattr(array, "asnumpy") else np.asarray(array)


def _dtype(array: Any) -> str:
    return str(_numpy(array).dtype)


def drive_random(s: Any, corpus: Any, batch_size: int, num_steps: int, seed: int, **options: Any) -> Any:
    """All random batches of one epoch."""
    rng = np.random.default_rng(seed)
    return unzipped(s.data_iter_random(corpus, batch_size, num_steps, mx.cpu(), rng=rng, **options))


def drive_consecutive(s: Any, corpus: Any, batch_size: int, num_steps: int, **options: Any) -> Any:
    """All consecutive batches of one epoch."""
    return unzipped(s.data_iter_consecutive(corpus, batch_size, num_steps, mx.cpu(), **options))


def drive_kinds(s: Any, sampler: str, corpus: Any, batch_size: int, num_steps: int) -> Any:
    """The shapes and dtypes of the first batch, and the indices in it."""
    batches = getattr(s, sampler)(corpus, batch_size, num_steps, mx.cpu(), rng=np.random.default_rng(0))
    pair: Any = next(iter(batches), ())
    kinds = [[type(array).__name__, list(np.shape(array)), _dtype(array)] for array in pair]
    return {"kinds": kinds, "least index": int(_numpy(pair[0]).min()) if kinds else 0}


def drive_orders(s: Any, corpus: Any, batch_size: int, num_steps: int, seeds: Any) -> Any:
    """The windows' first indices, a list for every epoch: one after the other with an rng, or without."""
    rngs = [None if seed is None else np.random.default_rng(seed) for seed in seeds]
    epochs = [s.data_iter_random(corpus, batch_size, num_steps, mx.cpu(), rng=rng) for rng in rngs]
    return [[int(row[0]) for data, _ in islice(epoch, 500) for row in _numpy(data)] for epoch in epochs]


def drive_two_epochs(s: Any, corpus: Any, batch_size: int, num_steps: int, seed: int) -> Any:
    """The windows' first indices in two epochs that share one rng."""
    rng = np.random.default_rng(seed)
    epochs = [s.data_iter_random(corpus, batch_size, num_steps, mx.cpu(), rng=rng) for _ in range(2)]
    return [[int(row[0]) for data, _ in islice(epoch, 500) for row in _numpy(data)] for epoch in epochs]


def drive_too_short(s: Any, sampler: str, num_chars: int, batch_size: int, num_steps: int) -> Any:
    """The error when the first batch is asked for."""
    data_iter = getattr(s, sampler)
    return refusal(lambda: next(iter(data_iter(list(range(num_chars)), batch_size, num_steps, mx.cpu()))))


def drive_offsets(
    s: Any, num_chars: int, batch_size: int, num_steps: int, is_random_iter: bool, seed: int
) -> Any:
    """The offsets of many epochs."""
    rng = np.random.default_rng(seed)
    return [
        s.fresh_offset(rng, num_chars, batch_size, num_steps, is_random_iter=is_random_iter)
        for _ in range(MANY_EPOCHS)
    ]


def drive_try_gpu(s: Any) -> Any:
    """The context's name."""
    return str(s.try_gpu())


# What is asked


def _fitting(rng: np.random.Generator, sampler: str = "data_iter_random") -> dict:
    """A corpus that its batches use up: to lose the last one is noticed."""
    batch_size, num_steps, num_batches = (int(n) for n in rng.integers([2, 2, 3], [6, 7, 7]))
    if sampler == "data_iter_random":
        num_chars = batch_size * num_steps * num_batches + 1
    else:
        num_chars = batch_size * (num_steps * num_batches + 1)
    return {"corpus": rng.permutation(num_chars), "batch_size": batch_size, "num_steps": num_steps}


def _left_over(rng: np.random.Generator, sampler: str = "data_iter_random", *, shifted: bool = False) -> dict:
    """A corpus of which as much is left over as can be: to use too much is noticed. shifted: with an offset.

    The last batch lacks one window, for which only the last label is missing; or every row ends with a
    piece that lacks its last label, and some characters stand behind the rows.
    """
    batch_size, num_steps, num_batches = (int(n) for n in rng.integers([2, 2, 3], [6, 7, 7]))
    num_chars = batch_size * num_steps * num_batches + (
        0 if sampler == "data_iter_random" else batch_size - 1
    )
    offset = {"offset": int(rng.integers(1, num_steps))} if shifted else {}
    corpus = rng.permutation(num_chars + offset.get("offset", 0))
    return {"corpus": corpus, "batch_size": batch_size, "num_steps": num_steps, **offset}


def _seeded(rng: np.random.Generator, draw: Callable[..., dict], **options: Any) -> dict:
    return {**draw(rng, **options), "seed": int(rng.integers(1000))}


def _large(rng: np.random.Generator, sampler: str) -> dict:
    index = int(rng.integers(2**24, 2**31 - 1)) | 1
    return {
        "sampler": sampler,
        "corpus": np.full(60, index),
        "batch_size": 3,
        "num_steps": int(rng.integers(2, 6)),
    }


def _short(rng: np.random.Generator, sampler: str) -> dict:
    batch_size, num_steps = int(rng.integers(1, 6)), int(rng.integers(2, 6))
    least = batch_size * num_steps + 1 if sampler == "data_iter_random" else batch_size * (num_steps + 1)
    return {"sampler": sampler, "num_chars": least - 1, "batch_size": batch_size, "num_steps": num_steps}


def _many_windows(rng: np.random.Generator) -> dict:
    num_steps = int(rng.integers(2, 5))
    return {
        "corpus": np.arange(24 * num_steps + 1),
        "batch_size": int(rng.integers(2, 5)),
        "num_steps": num_steps,
    }


def _long(rng: np.random.Generator, is_random_iter: bool) -> dict:
    batch_size, num_steps = int(rng.integers(1, 4)), int(rng.integers(2, 5))
    num_chars = batch_size * (2 * num_steps + 1) + int(rng.integers(2 * batch_size * num_steps))
    sizes = {"num_chars": num_chars, "batch_size": batch_size, "num_steps": num_steps}
    return {**sizes, "is_random_iter": is_random_iter, "seed": int(rng.integers(1000))}


def _barely_long(rng: np.random.Generator) -> dict:
    batch_size, num_steps = int(rng.integers(2, 5)), int(rng.integers(3, 7))
    is_random_iter = bool(rng.integers(2))
    least = batch_size * num_steps + 1 if is_random_iter else batch_size * (num_steps + 1)
    sizes = {"num_chars": least + int(rng.integers(2)), "batch_size": batch_size, "num_steps": num_steps}
    return {**sizes, "is_random_iter": is_random_iter, "seed": int(rng.integers(1000))}


# How it is judged


def by_law(inputs: dict) -> None:
    """There is no expected answer: a law judges."""


def _places(inputs: dict, indices: Any) -> np.ndarray:
    """Where in the corpus every index stands; -1: it does not."""
    corpus = np.asarray(inputs["corpus"])
    place = {int(char): i for i, char in enumerate(corpus)}
    if len(indices) > len(corpus) or sum(map(np.size, indices)) > 20 * len(corpus):
        raise ValueError("an epoch is about as long as the corpus")
    indices = np.stack([np.asarray(batch) for batch in indices])
    return np.array([place.get(int(i), -1) for i in indices.ravel()]).reshape(indices.shape)


def _starts(answer: Any, inputs: dict) -> np.ndarray:
    return _places(inputs, answer["data"])[:, :, 0].ravel()


def _num_batches(inputs: dict) -> int:
    windows = (len(inputs["corpus"]) - inputs.get("offset", 0) - 1) // inputs["num_steps"]
    return windows // inputs["batch_size"]


def _windows_once(answer: Any, expected: Any, inputs: dict) -> str | None:
    batch_size, num_steps, offset = inputs["batch_size"], inputs["num_steps"], inputs.get("offset", 0)
    if not answer["data"]:
        return "not one batch is yielded"
    for batch in answer["data"]:
        if np.shape(batch) != (batch_size, num_steps):
            return f"a batch is (batch_size, num_steps), {(batch_size, num_steps)}, not {np.shape(batch)}"
    places = _places(inputs, answer["data"])
    starts = places[:, :, 0].ravel()
    if not (np.diff(places, axis=2) == 1).all() or starts.min() < 0:
        return "a row of data is not a piece of the corpus: its characters do not follow each other there"
    if len(set(starts.tolist())) < len(starts):
        return "some windows come twice in an epoch"
    if ((starts - offset) % num_steps).any():
        return "a window does not start at offset, offset + num_steps, offset + 2 num_steps, …"
    if len(places) != _num_batches(inputs):
        return f"{_num_batches(inputs)} full batches can be cut, and {len(places)} are yielded"
    return None


def _labels_follow(answer: Any, expected: Any, inputs: dict) -> str | None:
    if not answer["data"]:
        return "not one batch is yielded"
    data, label = _places(inputs, answer["data"]), _places(inputs, answer["label"])
    if data.shape != label.shape:
        return f"label has the shape of data: {data.shape[1:]}, not {label.shape[1:]}"
    return (
        None if (label == data + 1).all() else "a label is not the character after the one beside it in data"
    )


def _are_int32(answer: Any, expected: Any, inputs: dict) -> str | None:
    if len(answer["kinds"]) != 2:
        return f"a pair is expected, (data, label), not {len(answer['kinds'])} items"
    for name, (kind, shape, dtype), wanted in zip(("data", "label"), answer["kinds"], expected["kinds"]):
        if [kind, shape, dtype] != wanted:
            found = f"{name} is of type {kind}, of shape {tuple(shape)} and of {dtype}"
            return f"{found}: an NDArray of shape {tuple(wanted[1])} and of int32 is expected"
    return differs(answer, expected)


def _shuffled(answer: Any, expected: Any, inputs: dict) -> str | None:
    """By two numbers: a window's mean place in an epoch, and how often a window's successor comes next."""
    num_windows = _num_batches(inputs) * inputs["batch_size"]
    for epoch in answer:
        if len(epoch) != num_windows:
            return f"an epoch has {num_windows} windows in full batches, and {len(epoch)} are yielded"
    orders = np.array(answer) // inputs["num_steps"]
    if (orders == orders[0]).all():
        return "every epoch has the same order"
    following = (np.diff(orders, axis=1) == 1).sum(axis=1).mean()
    if following > 1 + DEVIATIONS / np.sqrt(len(orders)):
        return "neighbouring windows follow each other too often for a shuffle"
    for window in set(orders.ravel().tolist()):
        places = np.argwhere(orders == window)[:, 1]
        bound = DEVIATIONS * num_windows / np.sqrt(12 * len(places))
        if abs(places.mean() - (num_windows - 1) / 2) > bound:
            return f"the window at {window * inputs['num_steps']} nearly always comes at the same time"
    return None


def _repeatable(answer: Any, expected: Any, inputs: dict) -> str | None:
    first, again, other = answer
    if not first:
        return "not one batch is yielded"
    if first != again:
        return "two generators with the same seed give different orders"
    return None if first != other else "two generators with different seeds give the same order"


def _two_orders(answer: Any, expected: Any, inputs: dict) -> str | None:
    first, second = answer
    if not (isinstance(first, list) and first):
        return "not one batch is yielded"
    return "both epochs have the same order" if first == second else None


def _rows(inputs: dict, offset: int) -> tuple[list[int], int]:
    """Where the rows that are cut into windows start, and how much of each the windows take."""
    rest, batch_size, num_steps = inputs["num_chars"] - offset, inputs["batch_size"], inputs["num_steps"]
    if inputs["is_random_iter"]:  # one row: every window of it has its turn in some epoch
        windows = (rest - 1) // num_steps
        return ([offset], windows * num_steps) if windows >= batch_size else ([], 0)
    row_len = rest // batch_size
    windows = (row_len - 1) // num_steps
    return [offset + r * row_len for r in range(batch_size) if windows >= 1], windows * num_steps


def _leaves_a_batch(answer: Any, expected: Any, inputs: dict) -> str | None:
    if len(answer) != MANY_EPOCHS:
        return "there is not one offset for every epoch"
    for offset in set(answer):
        if type(offset) is not int or not 0 <= offset <= inputs["num_chars"]:
            return f"an offset is an int from 0 to num_chars, not {short(offset)}"
        if not _rows(inputs, offset)[0]:
            return f"offset {offset} leaves no batch"
    return None


def _covers(answer: Any, expected: Any, inputs: dict) -> str | None:
    """Over the epochs every target is trained on."""
    problem = _leaves_a_batch(answer, expected, inputs)
    if problem:
        return problem
    seen: set[int] = set()
    for offset in set(answer):
        rows, length = _rows(inputs, offset)
        seen.update(row + i for row in rows for i in range(1, length + 1))
    missed = set(range(1, inputs["num_chars"])) - seen
    return f"the target at {min(missed)} is trained on in no epoch" if missed else None


def _context(answer: Any, expected: Any, inputs: dict) -> str | None:
    """A worker may see no GPU where this process sees one."""
    right = answer in ("cpu(0)", expected)
    return None if right else f"mx.cpu() or mx.gpu(0) is expected, not {short(answer)}"


def _floats(answer: Any, expected: Any, inputs: dict) -> bool:
    return any(kind[-1] == "float32" for kind in answer["kinds"])


def _label_is_data(answer: Any, expected: Any, inputs: dict) -> bool:
    return np.array_equal(_places(inputs, answer["data"]), _places(inputs, answer["label"]))


def _starts_at_zero(answer: Any, expected: Any, inputs: dict) -> bool:
    starts = _starts(answer, inputs)
    return len(starts) > 0 and not (starts % inputs["num_steps"]).any()


def _start_anywhere(answer: Any, expected: Any, inputs: dict) -> bool:
    found = set((_starts(answer, inputs) % inputs["num_steps"]).tolist())
    return len(found) == 1 and found != {inputs.get("offset", 0) % inputs["num_steps"]}


def _overlap(answer: Any, expected: Any, inputs: dict) -> bool:
    gaps = np.diff(np.unique(_starts(answer, inputs)))
    return bool((gaps < inputs["num_steps"]).any())


def _drawn_twice(answer: Any, expected: Any, inputs: dict) -> bool:
    starts = _starts(answer, inputs)
    return len(set(starts.tolist())) < len(starts) == _num_batches(inputs) * inputs["batch_size"]


def _one_batch_missing(answer: Any, expected: Any, inputs: dict) -> bool:
    """One batch is missing, and those that are there are full."""
    shape = inputs["batch_size"], inputs["num_steps"]
    return len(answer["data"]) == _num_batches(inputs) - 1 and {np.shape(b) for b in answer["data"]} == {
        shape
    }


def _last_is_short(axis: int) -> Callable[[Any, Any, dict], bool]:
    """Whether the last batch has fewer rows (axis 0) or columns (1) than it should, and only that."""

    def shows(answer: Any, expected: Any, inputs: dict) -> bool:
        wanted = [inputs["batch_size"], inputs["num_steps"]]
        *full, last = (list(np.shape(batch)) for batch in answer["data"])
        return all(shape == wanted for shape in full) and (
            0 < last[axis] < wanted[axis] and last[1 - axis] == wanted[1 - axis]
        )

    return shows


def _row_leaps(answer: Any, expected: Any, inputs: dict) -> bool:
    places = _places(inputs, answer["data"])
    return (np.diff(places, axis=2) == 1).all() and (places[1:, :, 0] != places[:-1, :, -1] + 1).any()


def _same_batches(answer: Any, expected: Any, inputs: dict) -> str | None:
    if not answer["data"]:
        return "not one batch is yielded"
    found, wanted = _places(inputs, answer["data"]), _places(inputs, expected["data"])
    if found.shape != wanted.shape:
        return (
            f"{wanted.shape[0]} batches of shape {wanted.shape[1:]} are expected, "
            f"and there are {len(found)} of {found.shape[1:]}"
        )
    wrong = np.argwhere(found != wanted)
    return f"batch {wrong[0][0]}, row {wrong[0][1]} holds other characters" if len(wrong) else None


def _in_order(answer: Any, expected: Any, inputs: dict) -> bool:
    return all(len(epoch) > 1 and epoch == sorted(epoch) for epoch in answer)


# The mistakes

LABEL_IS_DATA = Mistake(told("02_sampling_label_is_the_data"), shows=_label_is_data)
FLOATS = Mistake(told("02_sampling_yields_floats"), shows=_floats)
NO_BATCH = Mistake(
    told("02_sampling_yields_nothing"),
    shows=lambda answer, expected, inputs: not (answer["data"] if "data" in answer else answer["kinds"]),
)
NO_WINDOW = Mistake(
    NO_BATCH.message, shows=lambda answer, expected, inputs: not any(len(epoch) for epoch in answer)
)
OVERLAP = Mistake(told("02_sampling_windows_overlap"), shows=_overlap)
STARTS_ANYWHERE = Mistake(
    "your first window does not start at offset (0 if none is given), so the others do not stand where they "
    "should either: the caller draws the offset",
    shows=_start_anywhere,
)
REPLACED = Mistake(told("02_sampling_draws_with_replacement"), shows=_drawn_twice)
LAST_MISSING = Mistake(told("02_sampling_forgets_the_last_batch"), shows=_one_batch_missing)
RAGGED = Mistake(told("02_sampling_last_batch_is_ragged"), shows=_last_is_short(0))
SHORT = Mistake(told("02_sampling_consecutive_last_batch_is_short"), shows=_last_is_short(1))
TOO_MANY = Mistake(
    told("02_sampling_counts_a_window_too_many"),
    shows=lambda answer, expected, inputs: (
        max(_starts(answer, inputs)) + inputs["num_steps"] >= len(inputs["corpus"])
    ),
)
LAST_MISSING_IN_ROWS = Mistake(
    LAST_MISSING.message,
    shows=lambda answer, expected, inputs: np.array_equal(
        _places(inputs, answer["data"]), _places(inputs, expected["data"][:-1])
    ),
)
IN_ORDER = Mistake(told("02_sampling_never_shuffles"), shows=_in_order)
RNG_UNUSED = Mistake(
    "two generators with the same seed give different orders, so that training could not be repeated: "
    "draw from the rng that is handed in and from nothing else",
    shows=lambda answer, expected, inputs: answer[0] != answer[1],
)
NOT_ADJACENT = Mistake(told("02_sampling_rows_are_not_adjacent"), shows=_row_leaps)
NOTHING_SAID = Mistake(
    "nothing is yielded, without an error: training on no batches would end at once. Refuse it",
    shows=lambda answer, expected, inputs: "StopIteration" in answer,
)

# The cases

THIRTY = {"corpus": list(range(30)), "batch_size": 2, "num_steps": 3}  # nine windows, and the last ends early
TWENTY_FIVE = {**THIRTY, "corpus": list(range(25))}  # eight windows, four batches, and none is left over
THIRTY_ONE, THIRTY_TWO = ({**THIRTY, "corpus": list(range(n))} for n in (31, 32))  # rows of 15 and of 16
SEVENTY_THREE = {**THIRTY, "corpus": list(range(73))}
of_random = partial(Case, function="data_iter_random", lesson=2, expect=by_law)
of_consecutive = partial(Case, function="data_iter_consecutive", lesson=2, drive=drive_consecutive)
of_offsets = partial(Case, function="fresh_offset", lesson=2, drive=drive_offsets, expect=by_law)


def _kinds_of(sampler: str) -> Case:
    return Case(
        name="data and label are int32 NDArrays of shape (batch_size, num_steps)",
        function=sampler,
        lesson=2,
        drive=drive_kinds,
        example={**THIRTY, "sampler": sampler, "corpus": [2**24 + 1] * 30},
        draw=partial(_large, sampler=sampler),
        check=_are_int32,
        mistakes=(NO_BATCH, FLOATS),
    )


def _too_short_for(sampler: str, num_chars: int) -> Case:
    return Case(
        name="a corpus that fills no batch is a ValueError at the first batch",
        function=sampler,
        lesson=2,
        drive=drive_too_short,
        example={"sampler": sampler, "num_chars": num_chars, "batch_size": 2, "num_steps": 3},
        draw=partial(_short, sampler=sampler),
        check=refused("ValueError"),
        mistakes=(NOTHING_SAID,),
    )


RANDOM = [
    of_random(
        name="each window is drawn once in an epoch, up to the last full batch",
        drive=drive_random,
        example={**TWENTY_FIVE, "seed": 0},
        draw=partial(_seeded, draw=_fitting),
        check=_windows_once,
        mistakes=(NO_BATCH, OVERLAP, STARTS_ANYWHERE, REPLACED, LAST_MISSING),
    ),
    of_random(
        name="windows that fill no batch, and characters that fill no window, are left out",
        drive=drive_random,
        example={**THIRTY, "seed": 0},
        draw=partial(_seeded, draw=_left_over),
        check=_windows_once,
        mistakes=(NO_BATCH, OVERLAP, STARTS_ANYWHERE, RAGGED, TOO_MANY),
    ),
    of_random(
        name="the label is the next character at every place",
        drive=drive_random,
        example={**TWENTY_FIVE, "seed": 0},
        draw=partial(_seeded, draw=_fitting),
        check=_labels_follow,
        mistakes=(NO_BATCH, LABEL_IS_DATA),
    ),
    _kinds_of("data_iter_random"),
    of_random(
        name="the windows are shuffled anew in every epoch",
        drive=drive_orders,
        example={**SEVENTY_THREE, "seeds": list(range(EPOCHS))},
        draw=lambda rng: {**_many_windows(rng), "seeds": rng.integers(10**6, size=EPOCHS).tolist()},
        check=_shuffled,
        mistakes=(NO_WINDOW, IN_ORDER),
    ),
    of_random(
        name="without an rng the windows are shuffled all the same",
        drive=drive_orders,
        example={**SEVENTY_THREE, "seeds": [None] * EPOCHS},
        draw=lambda rng: {**_many_windows(rng), "seeds": [None] * EPOCHS},
        check=_shuffled,
        mistakes=(
            NO_WINDOW,
            Mistake("your windows come in the order of the corpus: shuffle them", shows=_in_order),
        ),
    ),
    of_random(
        name="the same rng gives the same order again, and another one another",
        drive=drive_orders,
        example={**SEVENTY_THREE, "seeds": [1, 1, 2]},
        draw=lambda rng: {**_many_windows(rng), "seeds": [0, 0, 1 + int(rng.integers(1000))]},
        check=_repeatable,
        mistakes=(NO_WINDOW, IN_ORDER, RNG_UNUSED),
    ),
    of_random(
        name="two epochs with one rng have different orders",
        drive=drive_two_epochs,
        example={**SEVENTY_THREE, "seed": 0},
        draw=lambda rng: {**_many_windows(rng), "seed": int(rng.integers(1000))},
        check=_two_orders,
        mistakes=(NO_WINDOW, IN_ORDER),
    ),
    of_random(
        name="windows start at offset",
        drive=drive_random,
        example={**THIRTY_ONE, "seed": 0, "offset": 1},
        draw=partial(_seeded, draw=_left_over, shifted=True),
        check=_windows_once,
        mistakes=(NO_BATCH, Mistake(told("02_sampling_ignores_offset"), shows=_starts_at_zero), RAGGED),
    ),
    _too_short_for("data_iter_random", 6),
]
CONSECUTIVE = [
    of_consecutive(
        name="row r of a batch goes on where row r of the batch before ended, up to the last full batch",
        example=THIRTY_TWO,
        draw=partial(_fitting, sampler="data_iter_consecutive"),
        check=_same_batches,
        mistakes=(NO_BATCH, NOT_ADJACENT, LAST_MISSING_IN_ROWS),
    ),
    of_consecutive(
        name="columns that fill no batch, and characters that fill no row, are left out",
        example=THIRTY_ONE,
        draw=partial(_left_over, sampler="data_iter_consecutive"),
        check=_same_batches,
        mistakes=(NO_BATCH, SHORT, NOT_ADJACENT),
    ),
    of_consecutive(
        name="the label is the next character at every place",
        example=THIRTY_TWO,
        draw=partial(_fitting, sampler="data_iter_consecutive"),
        check=_labels_follow,
        mistakes=(NO_BATCH, LABEL_IS_DATA),
    ),
    _kinds_of("data_iter_consecutive"),
    of_consecutive(
        name="rows are cut from the corpus after offset",
        example={**THIRTY_TWO, "offset": 1},
        draw=partial(_left_over, sampler="data_iter_consecutive", shifted=True),
        check=_same_batches,
        mistakes=(
            NO_BATCH,
            SHORT,
            Mistake(
                "offset has no effect: your first row starts at 0 all the same",
                shows=lambda answer, expected, inputs: _places(inputs, answer["data"])[0, 0, 0] == 0,
            ),
        ),
    ),
    _too_short_for("data_iter_consecutive", 7),
]
SAME_OFFSET = Mistake(
    "the offset is the same in every epoch: the ends are never trained on. Draw it from rng",
    shows=lambda answer, expected, inputs: len(set(answer)) == 1,
)
TWENTY = {"num_chars": 20, "batch_size": 2, "num_steps": 3, "seed": 0}
OFFSETS = [
    of_offsets(
        name="over the epochs random batches train on every target",
        example={**TWENTY, "is_random_iter": True},
        draw=partial(_long, is_random_iter=True),
        check=_covers,
        mistakes=(SAME_OFFSET,),
    ),
    of_offsets(
        name="over the epochs consecutive batches train on every target",
        example={**TWENTY, "is_random_iter": False},
        draw=partial(_long, is_random_iter=False),
        check=_covers,
        mistakes=(
            SAME_OFFSET,
            Mistake(
                told("02_sampling_offset_is_below_num_steps"),
                shows=lambda answer, expected, inputs: (
                    _leaves_a_batch(answer, expected, inputs) is None and max(answer) < inputs["num_steps"]
                ),
            ),
        ),
    ),
    of_offsets(
        name="in a small corpus an offset leaves one batch",
        example={**TWENTY, "num_chars": 8, "is_random_iter": True},
        draw=_barely_long,
        check=_leaves_a_batch,
        mistakes=(
            Mistake(
                "an offset leaves too little for one batch: the largest one depends on num_chars, too",
                shows=lambda answer, expected, inputs: (
                    "leaves no batch" in (_leaves_a_batch(answer, expected, inputs) or "")
                ),
            ),
        ),
    ),
]
CASES = [
    Case(
        name="it is the CPU, or the first GPU where there is one",
        function="try_gpu",
        lesson=2,
        drive=drive_try_gpu,
        example={},
        draw=lambda rng: {},
        check=_context,
    ),
    *RANDOM,
    *CONSECUTIVE,
    *OFFSETS,
]
