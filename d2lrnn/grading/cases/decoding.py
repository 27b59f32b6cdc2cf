"""Lesson 8: what is read, what is fed back, how often each character is drawn.

The network handed in is a table: its state H is one digit, H becomes (factor * H + digit) mod the size of the
vocabulary, and row H of the table holds the logits. So the right text, and every wrong one, follow on paper.
The input `network` says so to the student; no driver reads it.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import mxnet as mx
import numpy as np
from mxnet import nd

from ..case import Case, Mistake
from ..mistakes import told
from .driving import refusal

DRAWS = 400  # so many characters show a wrong frequency
TWO_STATES = "H, C = C, (H + C + digit) mod 10; digit C answers"
RULE = "H = ({} H + digit) mod {}; row H of logits answers"
CHI_SQUARE = 36  # with 3 degrees of freedom: exceeded by chance once in 10^7


def zero_state(batch_size: int, hidden_dim: int, ctx: Any = None) -> tuple:
    """One state of zeros."""
    return (nd.zeros((batch_size, hidden_dim), ctx=ctx),)


def table(factor: int) -> Any:
    """The network of this lesson's cases; its one parameter is the table."""

    def network(inputs: list, state: tuple, params: tuple) -> tuple[list, tuple]:
        (H,), outputs = state, []
        for X in inputs:
            H = (factor * H + X.argmax(axis=1).reshape((-1, 1))) % X.shape[1]
            outputs.append(nd.take(params[0], H.reshape((-1,))))
        return outputs, (H,)

    return network


def drive_predict(
    s: Any, prefix: str, lengths: list[int], network: str, factor: int, logits: np.ndarray
) -> list[str]:
    """The text for every length asked for, written by predict_rnn."""
    vocab, params = s.Vocab("0123456789"[: len(logits)]), (nd.array(logits),)
    return [
        s.predict_rnn(prefix, num_chars, table(factor), params, zero_state, 1, vocab, mx.cpu())
        for num_chars in lengths
    ]


def drive_two_states(s: Any, prefix: str, num_chars: int, network: str) -> str:
    """What predict_rnn writes with a network that has two states, as an LSTM has."""

    def two_states(inputs: list, state: tuple, params: tuple) -> tuple[list, tuple]:
        (H, C), outputs = state, []
        for X in inputs:
            H, C = C, (H + C + X.argmax(axis=1).reshape((-1, 1))) % 10
            outputs.append(nd.one_hot(C[:, 0], 10))
        return outputs, (H, C)

    def init_state(batch_size: int, hidden_dim: int, ctx: Any = None) -> tuple:
        return nd.zeros((batch_size, hidden_dim), ctx=ctx), nd.ones((batch_size, hidden_dim), ctx=ctx)

    vocab = s.Vocab("0123456789")
    return s.predict_rnn(prefix, num_chars, two_states, (nd.zeros(1),), init_state, 1, vocab, mx.cpu())


def drive_refusals(s: Any, name: str, prefixes: list[str], options: list[dict]) -> dict[str, Any]:
    """The names of the error for every prefix and every option, and the text for a good one."""
    vocab, function = s.Vocab("0123"), getattr(s, name)
    greedy: dict[str, Any] = {"temperature": 0} if name == "generate" else {}

    def write(prefix: str, **option: Any) -> str:
        return function(prefix, 2, table(1), (nd.array(np.eye(4)),), zero_state, 1, vocab, mx.cpu(), **option)

    prefixed, optioned = [partial(write, p) for p in prefixes], [partial(write, "0", **o) for o in options]
    return {"errors": [refusal(call) for call in prefixed + optioned], "text": write("10", **greedy)}


def drive_generate(
    s: Any, prefix: str, num_chars: int, network: str, factor: int, logits: np.ndarray, options: list[dict]
) -> list[str]:
    """The text for every dict of options, written by generate."""
    vocab, params = s.Vocab("0123456789"[: len(logits)]), (nd.array(logits),)
    return [
        s.generate(prefix, num_chars, table(factor), params, zero_state, 1, vocab, mx.cpu(), **option)
        for option in options
    ]


def drive_letters(s: Any, num_chars: int, logits: list[float], options: list[dict]) -> list[str]:
    """num_chars letters that generate draws from a network which always answers with the same logits."""

    def network(inputs: list, state: tuple, params: tuple) -> tuple[list, tuple]:
        return [params[0] for _ in inputs], state

    vocab, params = s.Vocab("abcd"), (nd.array([logits]),)
    return [
        s.generate("a", num_chars, network, params, zero_state, 1, vocab, mx.cpu(), **option)[1:]
        for option in options
    ]


# --- texts on paper -------------------------------------------------------------------------------


def _texts(inputs: dict) -> list[str]:
    """The texts that predict_rnn is asked for."""
    logits, factor, texts = np.array(inputs["logits"]), inputs["factor"], []
    for length in inputs["lengths"]:
        H, text = 0, inputs["prefix"]
        for t in range(len(text) + length - 1):
            H = (factor * H + int(text[t])) % len(logits)
            if t >= len(inputs["prefix"]) - 1:
                text += str(logits[H].argmax())
        texts.append(text)
    return texts


def _greedy_texts(inputs: dict) -> list[str]:
    """The same for generate, where every dict of options asks for num_chars characters."""
    return _texts({**inputs, "lengths": [inputs["num_chars"]] * len(inputs["options"])})


def _draw_table(rng: np.random.Generator) -> dict[str, Any]:
    size = int(rng.integers(6, 11))
    prefix = rng.integers(1, size, size=rng.integers(2, 6))
    factor = int(rng.integers(2, size))
    return {
        "prefix": "".join(map(str, prefix)),
        "network": RULE.format(factor, size),
        "factor": factor,
        "logits": rng.permutation(np.eye(size)) * 3 + rng.normal(-5, 0.3, size=(size, size)),
    }


def _draw_certain_table(rng: np.random.Generator) -> dict[str, Any]:
    """A table whose likeliest character is certain, so that chance must choose it too."""
    inputs = _draw_table(rng)
    return {
        **inputs,
        "logits": 20 * inputs["logits"],
        "num_chars": int(rng.integers(6, 12)),
        "options": [{}, {"seed": int(rng.integers(2**31))}],
    }


EXAMPLE_TABLE = {"prefix": "12", "network": RULE.format(2, 10), "factor": 2, "logits": np.eye(10)}


def _lengths(answer: Any, expected: Any, inputs: dict) -> str | None:
    if [type(text) for text in answer] != [str] * len(expected):
        return "a text, one str, is expected"
    for text, wanted, length in zip(answer, expected, inputs["lengths"]):
        if len(text) != len(wanted):
            return f"{len(text) - len(inputs['prefix'])} characters follow the prefix, not {length}"
    return None


# --- frequencies ----------------------------------------------------------------------------------


def _softmax(logits: Any, temperature: float = 1.0) -> np.ndarray:
    weights = np.exp((np.array(logits) - max(logits)) / temperature)
    return weights / weights.sum()


def _kept(p: np.ndarray, kept: Any) -> np.ndarray:
    p = np.where(np.isin(np.arange(len(p)), kept), p, 0)
    return p / p.sum()


def _nucleus(p: np.ndarray, share: float, *, leaves_out_the_last: bool = False) -> np.ndarray:
    order = np.argsort(-p)
    before = np.cumsum(p[order]) - p[order]
    size = int((before < share).sum()) - leaves_out_the_last
    return _kept(p, order[: max(1, size)])


def _probabilities(inputs: dict, **ignored: Any) -> list[float]:
    """How likely each letter is: by temperature, top_k and top_p, one of them or none."""
    (option,) = inputs["options"]
    option = {**option, **ignored}
    p = _softmax(inputs["logits"], option.get("temperature", 1.0))
    if option.get("top_k"):
        p = _kept(p, np.argsort(-p)[: option["top_k"]])
    if option.get("top_p"):
        p = _nucleus(p, option["top_p"])
    return p.tolist()


def _is_as_frequent(answer: Any, expected: Any, inputs: dict) -> str | None:
    """None if the letters of answer are drawn with the expected probabilities."""
    if not isinstance(answer, list) or [type(text) for text in answer] != [str]:
        return "a text, one str, is expected"
    (text,), num_chars = answer, inputs["num_chars"]
    if len(text) != num_chars:
        return f"{len(text)} characters follow the prefix, not {num_chars}"
    surprise = 0.0
    for char, p in zip("abcd", expected):
        count, mean = text.count(char), p * num_chars
        if count and not p:
            return f"{char!r} was drawn {count} times of {num_chars}, and its probability is 0"
        surprise += (count - mean) ** 2 / max(mean, 1)
    if surprise > CHI_SQUARE:
        counts = ", ".join(f"{char} {text.count(char)}" for char in "abcd")
        means = ", ".join(f"{char} {p * num_chars:.0f}" for char, p in zip("abcd", expected))
        return f"of {num_chars} letters there are {counts}; about {means} are expected"
    return None


def _fits(**ignored: Any) -> Any:
    """Do the letters fit the probabilities that are right when these options are others?"""
    return lambda answer, _, inputs: (
        _is_as_frequent(answer, _probabilities(inputs, **ignored), inputs) is None
    )


def _multiplied(answer: Any, _: Any, inputs: dict) -> bool:
    (option,) = inputs["options"]
    return _fits(temperature=1 / option["temperature"])(answer, _, inputs)


def _one_too_few(answer: Any, _: Any, inputs: dict) -> bool:
    (option,) = inputs["options"]
    p = _nucleus(_softmax(inputs["logits"]), option["top_p"], leaves_out_the_last=True)
    return _is_as_frequent(answer, p.tolist(), inputs) is None


def _draw_letters(
    rng: np.random.Generator, p: tuple[float, ...], name: str, values: tuple[float, ...]
) -> dict[str, Any]:
    """Logits whose softmax has these probabilities (at this temperature), in any order."""
    value = values[int(rng.integers(len(values)))]
    temperature = value if name == "temperature" else 1.0
    logits = temperature * np.log(rng.permutation(p)) + rng.normal()
    option = {name: value, "seed": int(rng.integers(2**31))}
    return {"num_chars": DRAWS, "logits": logits.tolist(), "options": [option]}


# --- seeds ----------------------------------------------------------------------------------------


def _repeats(answer: Any, expected: Any, inputs: dict) -> str | None:
    """Texts 0 and 1 have one seed, 2 another, 3 and 4 none."""
    if not isinstance(answer, list) or not all(
        isinstance(text, str) and len(text) == inputs["num_chars"] for text in answer
    ):
        return f"texts of {inputs['num_chars']} characters after the prefix are expected"
    first, again, other, free, free_again = answer
    if first != again:
        return f"the same seed wrote {first[:12]!r}… and then {again[:12]!r}…"
    if first == other:
        return f"two seeds wrote the same text, {first[:12]!r}…"
    if free == free_again:
        return f"two texts without a seed are the same, {free[:12]!r}…"
    return None


def _draw_seeds(rng: np.random.Generator) -> dict[str, Any]:
    seed, other = (int(n) for n in rng.choice(2**31, size=2, replace=False))
    logits = rng.normal(scale=0.3, size=4).tolist()
    return {
        "num_chars": 60,
        "logits": logits,
        "options": [{"seed": seed}, {"seed": seed}, {"seed": other}, {}, {}],
    }


def _refused(answer: Any, expected: Any, inputs: dict) -> str | None:
    asked = [*(f"the prefix {prefix!r}" for prefix in inputs["prefixes"]), *map(str, inputs["options"])]
    if len(answer["errors"]) != len(asked):
        return f"{len(asked)} answers are expected, not {len(answer['errors'])}"
    for what, errors in zip(asked, answer["errors"]):
        if "ValueError" not in errors:
            return f"{what} gives {errors[0] if errors else 'a text'}: a ValueError is expected"
    return None if answer["text"] == expected else "a valid prefix with valid options gives the wrong text"


def _draw_refusals(rng: np.random.Generator, name: str, options: list[dict]) -> dict[str, Any]:
    unknown = "1" + str(rng.choice(list("45678xyz")))
    return {"name": name, "prefixes": ["", unknown], "options": options}


BAD_OPTIONS: list[dict] = [{"temperature": -1.0}, {"top_k": 0}, {"top_p": 0.0}, {"top_p": 1.5}]

of_predict = partial(Case, function="predict_rnn", lesson=8)
of_generate = partial(Case, function="generate", lesson=8)
of_letters = partial(of_generate, drive=drive_letters, check=_is_as_frequent, expect=_probabilities)

CASES = [
    of_predict(
        name="every character of the prefix and of the answer is read once",
        drive=drive_predict,
        draw=lambda rng: {**_draw_table(rng), "lengths": [int(rng.integers(6, 12))]},
        example={**EXAMPLE_TABLE, "lengths": [4]},
        expect=_texts,
    ),
    of_predict(
        name="exactly num_chars characters follow the prefix",
        drive=drive_predict,
        draw=lambda rng: {**_draw_table(rng), "lengths": [0, 1, int(rng.integers(2, 20))]},
        example={**EXAMPLE_TABLE, "lengths": [0, 1, 3]},
        check=_lengths,
        expect=_texts,
    ),
    of_predict(
        name="a network with two states, as an LSTM is, can write too",
        drive=drive_two_states,
        draw=lambda rng: {
            "prefix": "".join(map(str, rng.integers(1, 10, size=rng.integers(2, 5)))),
            "num_chars": int(rng.integers(4, 9)),
            "network": TWO_STATES,
        },
        example={"prefix": "31", "num_chars": 4, "network": TWO_STATES},
        mistakes=(
            Mistake(
                "another text is expected. If the cases with one state are right: the state is whatever the "
                "network returns, here two matrices, and goes back to it as it is",
                shows=lambda answer, *_: isinstance(answer, str),
            ),
        ),
    ),
    of_predict(
        name="a prefix that cannot be continued is refused",
        drive=drive_refusals,
        draw=partial(_draw_refusals, name="predict_rnn", options=[]),
        example={"name": "predict_rnn", "prefixes": ["", "0x"], "options": []},
        check=_refused,
        expect=lambda inputs: "1012",  # H is 1, 1 + 0, 1 + 1
    ),
    of_generate(
        name="at temperature 0 the likeliest character is taken, after the whole prefix was read",
        drive=drive_generate,
        draw=lambda rng: {
            **_draw_table(rng),
            "num_chars": int(rng.integers(6, 12)),
            "options": [{"temperature": 0}],
        },
        example={**EXAMPLE_TABLE, "num_chars": 4, "options": [{"temperature": 0}]},
        expect=_greedy_texts,
    ),
    of_generate(
        name="what was drawn is fed back",
        drive=drive_generate,
        draw=_draw_certain_table,
        example={**EXAMPLE_TABLE, "logits": 50 * np.eye(10), "num_chars": 4, "options": [{}, {"seed": 1}]},
        expect=_greedy_texts,
    ),
    of_letters(
        name="characters are as frequent as softmax of logits over temperature says",
        draw=partial(_draw_letters, p=(0.05, 0.15, 0.3, 0.5), name="temperature", values=(0.4, 2.0, 2.5)),
        example={
            "num_chars": DRAWS,
            "logits": [0.0, 2.0, 4.0, 5.0],
            "options": [{"temperature": 2.0, "seed": 1}],
        },
        mistakes=(
            Mistake(told("08_decoding_multiplies_by_temperature"), shows=_multiplied),
            Mistake(
                "temperature is taken and not used: the frequencies are those of temperature 1",
                shows=_fits(temperature=1.0),
            ),
        ),
    ),
    of_letters(
        name="top_k draws from the k likeliest only",
        draw=partial(_draw_letters, p=(0.1, 0.2, 0.3, 0.4), name="top_k", values=(2, 3)),
        example={"num_chars": DRAWS, "logits": [1.0, 4.0, 2.0, 3.0], "options": [{"top_k": 2, "seed": 1}]},
        mistakes=(Mistake(told("08_decoding_ignores_top_k"), shows=_fits(top_k=None)),),
    ),
    of_letters(
        name="top_p draws from the smallest set that holds this share",
        draw=partial(_draw_letters, p=(0.1, 0.15, 0.25, 0.5), name="top_p", values=(0.6, 0.8, 0.7)),
        example={
            "num_chars": DRAWS,
            "logits": [1.0, 3.0, 1.5, 2.5],
            "options": [{"top_p": 0.7, "seed": 1}],
        },
        mistakes=(
            Mistake(
                "top_p is taken and not used: characters beyond the share are drawn", shows=_fits(top_p=None)
            ),
            Mistake(
                "one character too few is kept: the set has to hold at least the share top_p, so the "
                "character that crosses it belongs to it",
                shows=_one_too_few,
            ),
        ),
    ),
    of_generate(
        name="a seed repeats the text, and without one every text is different",
        drive=drive_letters,
        draw=_draw_seeds,
        example={
            "num_chars": 60,
            "logits": [0.0, 0.0, 0.0, 0.0],
            "options": [{"seed": 5}, {"seed": 5}, {"seed": 6}, {}, {}],
        },
        check=_repeats,
        expect=lambda inputs: None,
        mistakes=(
            Mistake(
                told("08_decoding_ignores_seed"),
                shows=lambda answer, *_: isinstance(answer, list) and answer[0] != answer[1],
            ),
            Mistake(
                "the seed is fixed: another seed, or none, has to write another text",
                shows=lambda answer, *_: isinstance(answer, list) and answer[0] == answer[1],
            ),
        ),
    ),
    of_generate(
        name="options that make no sense are refused",
        drive=drive_refusals,
        draw=partial(_draw_refusals, name="generate", options=BAD_OPTIONS),
        example={"name": "generate", "prefixes": ["", "0x"], "options": BAD_OPTIONS},
        check=_refused,
        expect=lambda inputs: "1012",  # H is 1, 1 + 0, 1 + 1
    ),
]
