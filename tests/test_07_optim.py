"""Lesson 7: sgd, Adam and AdamW move the parameters by the numbers of the papers, and move them in place."""

import json
import subprocess
from pathlib import Path

from d2lrnn import init_adam_states

import numpy as np
import pytest
from cell_oracles import with_gradient
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet import autograd, nd
from pytorch_steps import NUM_STEPS, RUNS, START, gradient

HERE = Path(__file__).parent
PEERS = HERE.parent / ".venv-peers/bin/python"
PYTORCH = json.loads((HERE / "pytorch_steps.json").read_text())
GRADIENTS = st.floats(0.01, 100).flatmap(lambda size: st.sampled_from([size, -size]))
NEGATIVE = [-0.1, float("nan"), float("inf"), True, "0.1", None]
NOT_POSITIVE = [0, *NEGATIVE]


def adam_in_float64(theta, gradients, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.0):
    """Kingma & Ba 2015, algorithm 1, line by line, after PyTorch's decay; gradients: one for every t."""
    m = v = np.zeros_like(theta)
    for t, g in enumerate(gradients, start=1):
        theta = theta - lr * weight_decay * theta
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        theta = theta - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)
    return theta


def test_sgd_goes_against_the_gradient_by_lr_times_its_length(subject):
    params = with_gradient([1, 2], [10, -20]), with_gradient([[3]], [[5]])

    subject.sgd(params, 0.1)

    np.testing.assert_allclose(params[0].asnumpy(), [0, 4], atol=1e-6)
    np.testing.assert_allclose(params[1].asnumpy(), [[2.5]])


def test_adam_takes_the_two_steps_worked_by_hand(subject):
    param = with_gradient([1], [2])
    states = subject.init_adam_states([param])

    subject.adam([param], states, 0.1, 1)  # m_hat = 2, v_hat = 4: 0.1 * 2 / 2
    assert param.asscalar() == pytest.approx(0.9)

    param.grad[:] = -1
    subject.adam([param], states, 0.1, 2)  # m_hat = 0.08 / 0.19, v_hat = 0.004996 / 0.001999
    assert param.asscalar() == pytest.approx(0.9 - 0.1 * 0.421053 / 1.580902)
    assert [S.asscalar() for S in states[0]] == pytest.approx([0.08, 0.004996])


def test_adam_adds_eps_to_the_corrected_root(subject):
    param = with_gradient([0], [3])

    subject.adam([param], init_adam_states([param]), 1, 1, eps=1)

    assert param.asscalar() == pytest.approx(-3 / (3 + 1))  # inside the root: -3 / sqrt(10)


@given(size=GRADIENTS)
def test_the_first_step_of_adam_is_lr_long_whatever_the_size_of_the_gradient(subject, size):
    param = with_gradient([0], [size])

    subject.adam([param], init_adam_states([param]), 0.01, 1)

    assert param.asscalar() == pytest.approx(-0.01 * np.sign(size))


@settings(max_examples=40)
@given(
    gradients=st.lists(st.tuples(GRADIENTS, GRADIENTS, GRADIENTS), min_size=1, max_size=6),
    lr=st.floats(0.001, 1),
    beta1=st.floats(0, 0.95, allow_subnormal=False),  # which MXNet cannot read
    beta2=st.floats(0.5, 0.999),
)
def test_adam_follows_algorithm_1(subject, gradients, lr, beta1, beta2):
    params = with_gradient([1, 2], [0, 0]), with_gradient([[3]], [[0]])
    states = subject.init_adam_states(params)

    for t, (a, b, c) in enumerate(gradients, start=1):
        params[0].grad[:] = nd.array([a, b])
        params[1].grad[:] = c
        subject.adam(params, states, lr, t, beta1=beta1, beta2=beta2)

    found = np.concatenate([param.asnumpy().ravel() for param in params])
    expected = adam_in_float64(np.array([1.0, 2, 3]), np.array(gradients), lr, beta1, beta2)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * lr)


def test_adam_leaves_a_parameter_without_slope_where_it_is(subject):
    param = with_gradient([7], [0])

    subject.adam([param], init_adam_states([param]), 0.1, 1)

    assert param.asscalar() == 7


def test_adam_starts_from_means_of_zero_and_of_the_shape_of_each_parameter(subject):
    states = subject.init_adam_states([nd.ones((2, 3)), nd.ones(4)])

    assert [(m.shape, v.shape) for m, v in states] == [((2, 3), (2, 3)), ((4,), (4,))]
    assert all(S.abs().sum().asscalar() == 0 for state in states for S in state)
    assert states[0][0] is not states[0][1]


# Weight decay


def test_sgd_pulls_each_parameter_towards_0_as_far_as_it_is_away(subject):
    params = with_gradient([1, -20], [2, 0]), with_gradient([0], [0])

    subject.sgd(params, 0.5, weight_decay=0.1)

    np.testing.assert_allclose(params[0].asnumpy(), [1 - 0.5 * (2 + 0.1), -19], rtol=1e-5)
    assert params[1].asscalar() == 0


def test_adamw_takes_the_step_of_adam_and_a_share_of_the_parameter_worked_by_hand(subject):
    param = with_gradient([4], [2])

    subject.adamw([param], subject.init_adam_states([param]), 0.1, 1, weight_decay=0.5)

    assert param.asscalar() == pytest.approx(4 - 0.1 - 0.1 * 0.5 * 4)


@settings(max_examples=40)
@given(
    gradients=st.lists(st.tuples(GRADIENTS, GRADIENTS, GRADIENTS), min_size=1, max_size=6),
    lr=st.floats(0.001, 1),
    weight_decay=st.just(0) | st.floats(1e-6, 1),
    betas=st.tuples(st.floats(0, 0.95, allow_subnormal=False), st.floats(0.5, 0.999)),
    eps=st.sampled_from([1e-8, 0.1]),
)
def test_adamw_follows_adam_on_parameters_that_have_decayed(subject, gradients, lr, weight_decay, betas, eps):
    params = with_gradient([1, 2], [0, 0]), with_gradient([[3]], [[0]])
    states, (beta1, beta2) = subject.init_adam_states(params), betas

    for t, (a, b, c) in enumerate(gradients, start=1):
        params[0].grad[:] = nd.array([a, b])
        params[1].grad[:] = c
        options = {"weight_decay": weight_decay, "beta1": beta1, "beta2": beta2, "eps": eps}
        subject.adamw(params, states, lr, t, **options)

    found = np.concatenate([param.asnumpy().ravel() for param in params])
    expected = adam_in_float64(np.array([1.0, 2, 3]), np.array(gradients), lr, *betas, eps, weight_decay)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * lr)


@pytest.mark.parametrize("weight_decay", [0, 0.3])
def test_no_decay_gets_into_the_moments_and_none_at_all_leaves_adam_to_the_last_bit(subject, weight_decay):
    found = []
    for step in (subject.adam, lambda *given: subject.adamw(*given, weight_decay=weight_decay)):
        params = with_gradient([1, 2], [3, 0.1]), with_gradient([-7], [0.01])
        states = subject.init_adam_states(params)
        for t in (1, 2, 3):
            step(params, states, 0.1, t)
        moments = [S.asnumpy().tobytes() for state in states for S in state]
        found.append((moments, [param.asnumpy().tobytes() for param in params]))

    (moments, params), (moments_of_adamw, params_of_adamw) = found
    assert moments == moments_of_adamw
    assert (params == params_of_adamw) is (weight_decay == 0)


def test_a_parameter_without_slope_only_decays_and_a_bias_does_so_too(subject):
    params = with_gradient([[8, -8]], [[0, 0]]), with_gradient([8], [0])
    optimizer = subject.Optimizer("adam", params, 0.5, weight_decay=0.2)

    for _ in range(3):
        optimizer.step(params)

    np.testing.assert_allclose(params[0].asnumpy(), [[8 * 0.9**3, -8 * 0.9**3]], rtol=1e-6)
    np.testing.assert_allclose(params[1].asnumpy(), [8 * 0.9**3], rtol=1e-6)


@pytest.mark.parametrize("weight_decay", NEGATIVE)
def test_a_weight_decay_that_is_no_number_from_0_up_is_refused(subject, weight_decay):
    param = with_gradient([1], [1])

    for call in (
        lambda: subject.sgd([param], 0.1, weight_decay=weight_decay),
        lambda: subject.adamw([param], init_adam_states([param]), 0.1, 1, weight_decay=weight_decay),
        lambda: subject.Optimizer("adam", [param], 0.1, weight_decay=weight_decay),
    ):
        with pytest.raises(ValueError, match=f"weight_decay.*{weight_decay}"):
            call()

    assert param.asscalar() == 1


# Schedules


def rates(subject, num_updates, **how):
    return [subject.learning_rate(t, 2.0, num_updates=num_updates, **how) for t in range(1, num_updates + 1)]


def test_the_learning_rates_of_a_short_run_worked_by_hand(subject):
    cosine = [2, 1 + 0.5**0.5, 1, 1 - 0.5**0.5]  # 1 + cos of 0, 45, 90 and 135 degrees

    assert rates(subject, 3) == [2, 2, 2]
    assert rates(subject, 6, warmup=4) == pytest.approx([0.5, 1, 1.5, 2, 2, 2])
    assert rates(subject, 4, schedule="cosine") == pytest.approx(cosine)
    assert rates(subject, 7, schedule="cosine", warmup=3) == pytest.approx([2 / 3, 4 / 3, 2, *cosine])
    assert rates(subject, 3, schedule="cosine", warmup=5) == pytest.approx([0.4, 0.8, 1.2])
    assert subject.learning_rate(10**9, 2.0, warmup=3) == 2  # a constant one need not know where it ends


@given(num_updates=st.integers(1, 300), warmup=st.integers(0, 320), lr=st.floats(1e-6, 100))
def test_a_cosine_rises_through_the_warm_up_and_then_falls_but_never_to_0(subject, num_updates, warmup, lr):
    how = {"schedule": "cosine", "warmup": warmup, "num_updates": num_updates}
    found = [subject.learning_rate(t, lr, **how) for t in range(1, num_updates + 1)]

    top = min(warmup, num_updates - 1)
    assert sorted(found[:top]) == found[:top]
    assert sorted(found[top:], reverse=True) == found[top:]
    assert min(found) > 0
    assert max(found) <= lr
    assert warmup >= num_updates or max(found) == lr


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        *[({"lr": lr}, "lr") for lr in NOT_POSITIVE],
        *[({"t": t}, "t") for t in (0, -1, 1.5, True)],
        *[({"warmup": warmup}, "warmup") for warmup in (-1, 0.5, "3", None)],
        *[({"schedule": schedule}, "schedule") for schedule in ("Cosine", "linear", "", None)],
        *[({"num_updates": number}, "num_updates") for number in (0, -1, 7.5, None)],
        ({"t": 51}, "t"),
    ],
)
def test_a_learning_rate_that_is_asked_for_wrongly_is_refused(subject, changed, named):
    right = {"t": 1, "lr": 0.1, "schedule": "cosine", "warmup": 0, "num_updates": 50}

    assert subject.learning_rate(**right) == 0.1
    with pytest.raises(ValueError, match=f"^{named} is {next(iter(changed.values()))!r}"):
        subject.learning_rate(**right | changed)


# PyTorch


@pytest.mark.parametrize("name", RUNS)
def test_fifty_steps_are_those_of_pytorch(subject, name):
    how, param = dict(RUNS[name]), with_gradient(START, np.zeros(len(START)))
    kind, lr, weight_decay = how.pop("optimizer"), how.pop("lr"), how.pop("weight_decay", 0)
    optimizer = subject.Optimizer(kind, [param], lr, weight_decay=weight_decay)

    rates, path = [], []
    for t in range(1, NUM_STEPS + 1):
        optimizer.lr = subject.learning_rate(t, lr, num_updates=NUM_STEPS, **how)
        param.grad[:] = nd.array(gradient(t))
        optimizer.step([param])
        rates.append(optimizer.lr)
        path.append(param.asnumpy())

    np.testing.assert_allclose(rates, PYTORCH[name]["lr"], rtol=1e-5, atol=0)
    np.testing.assert_allclose(path, PYTORCH[name]["params"], rtol=1e-5, atol=0)


@pytest.mark.slow
def test_the_numbers_kept_of_pytorch_are_its_own():
    """-k pytorch -rs says whether it ran."""
    if not PEERS.exists() or subprocess.run([PEERS, "-c", "import torch"], capture_output=True).returncode:
        pytest.skip("no PyTorch in .venv-peers: make bench installs it")
    computed = subprocess.run(
        [PEERS, HERE / "pytorch_steps.py"], capture_output=True, check=True, text=True
    ).stdout

    for name in RUNS:
        for kind, numbers in json.loads(computed)[name].items():
            np.testing.assert_allclose(numbers, PYTORCH[name][kind], rtol=1e-6)


# The object


@pytest.mark.parametrize("weight_decay", [0, 0.2])
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_the_array_itself_moves_and_can_be_differentiated_again(subject, name, weight_decay):
    W = with_gradient([3], [1])
    optimizer = subject.Optimizer(name, [W], 0.5, weight_decay=weight_decay)

    optimizer.step([W])
    assert W.asscalar() == pytest.approx(2.5 - 0.5 * weight_decay * 3)

    with autograd.record():
        loss = W * W
    loss.backward()
    assert W.grad.asscalar() == pytest.approx(2 * W.asscalar())


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_a_learning_rate_set_before_a_step_counts_from_that_step_on(subject, name):
    param = with_gradient([0], [1])
    optimizer = subject.Optimizer(name, [param], 5)

    for lr in (0.1, 0.2, 0.4):
        optimizer.lr = lr
        optimizer.step([param])

    assert param.asscalar() == pytest.approx(-0.7, rel=1e-4)


def test_the_optimizer_sgd_takes_the_steps_of_sgd(subject):
    param = with_gradient([1], [2])
    optimizer = subject.Optimizer("sgd", [param], 0.25)

    for _ in range(3):
        optimizer.step([param])

    assert param.asscalar() == pytest.approx(1 - 3 * 0.25 * 2)


def test_the_optimizer_adam_counts_its_steps(subject):
    param, gradients = with_gradient([1], [0]), [2.0, -1.0, 0.5, 4.0]
    optimizer = subject.Optimizer("adam", [param], 0.1)

    for g in gradients:
        param.grad[:] = g
        optimizer.step([param])

    assert param.asscalar() == pytest.approx(adam_in_float64(1.0, gradients, 0.1), rel=1e-4)
    assert optimizer.t == 4


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_a_parameter_without_a_gradient_is_refused_before_any_other_has_moved(subject, name):
    params = [with_gradient([1], [1]), nd.ones(1)]
    optimizer = subject.Optimizer(name, params, 0.1, weight_decay=0.5)

    with pytest.raises(ValueError, match="parameter 1"):
        optimizer.step(params)

    assert params[0].asscalar() == 1


def test_as_many_states_as_parameters_are_asked_for(subject):
    params = [with_gradient([1], [1]), with_gradient([1], [1])]

    for step in (subject.adam, lambda *given: subject.adamw(*given, weight_decay=0.5)):
        with pytest.raises(ValueError, match=r"1.*2"):
            step(params, init_adam_states(params[:1]), 0.1, 1)
    assert params[0].asscalar() == 1


@pytest.mark.parametrize("lr", NOT_POSITIVE)
def test_a_learning_rate_that_is_no_number_above_0_is_refused(subject, lr):
    param = with_gradient([1], [1])

    for call in (
        lambda: subject.sgd([param], lr),
        lambda: subject.adam([param], init_adam_states([param]), lr, 1),
        lambda: subject.Optimizer("sgd", [param], lr),
    ):
        with pytest.raises(ValueError, match=f"lr.*{lr}"):
            call()


@pytest.mark.parametrize("t", [0, -1, 1.5, True])
def test_adam_counts_its_steps_from_1(subject, t):
    param = with_gradient([1], [1])

    with pytest.raises(ValueError, match=f"t .*{t}"):
        subject.adam([param], init_adam_states([param]), 0.1, t)


@pytest.mark.parametrize("name", ["rmsprop", "Adam", "", None])
def test_an_unknown_optimizer_is_refused_by_name(subject, name):
    with pytest.raises(ValueError, match=f"optimizer.*{name}"):
        subject.Optimizer(name, [nd.ones(1)], 0.1)
