"""Lesson 13: Gluon's layers with our parameters give our outputs, our loss and every one of our gradients."""

from importlib import import_module

import d2lrnn

import mxnet as mx
import numpy as np
import pytest
from cell_oracles import BATCH_SIZE, CPU, HIDDEN_DIM, NUM_STEPS, VOCAB_SIZE, random_arrays
from mxnet import autograd, gluon, nd

GRUParams = import_module("d2lrnn.gru").GRUParams
CELLS = {
    "rnn": (d2lrnn.get_params, d2lrnn.init_rnn_state, d2lrnn.rnn),
    "gru": (d2lrnn.get_gru_params, d2lrnn.init_gru_state, None),  # subject.gru_reset_after
    "lstm": (d2lrnn.get_lstm_params, d2lrnn.init_lstm_state, d2lrnn.lstm),
}
OPEN = 1000  # as a bias: the gate is 1 to the last bit
every_cell = pytest.mark.parametrize("cell", CELLS)


def batch(seed=0):
    data, label = np.random.default_rng(seed).integers(VOCAB_SIZE, size=(2, BATCH_SIZE, NUM_STEPS))
    return nd.array(data, CPU, "int32"), nd.array(label, CPU, "int32")


def random_params(cell, num_layers=1, hidden_dim=HIDDEN_DIM):
    """Ours, none of them zero, for one layer or several."""
    params = d2lrnn.get_network(cell, num_layers).get_params(VOCAB_SIZE, hidden_dim, CPU)
    for param, array in zip(params, random_arrays([param.shape for param in params], "float32")):
        param[:] = array
    return params


def random_state(cell, num_layers=1):
    zeros = d2lrnn.get_network(cell, num_layers).init_state(BATCH_SIZE, HIDDEN_DIM, CPU)
    return tuple(random_arrays([S.shape for S in zeros], "float32", seed=4))


def filled_model(subject, cell, params, num_layers=1):
    model = subject.get_rnn_model(cell, VOCAB_SIZE, HIDDEN_DIM, num_layers, CPU)
    subject.set_params(model, params)
    return model


def run(function, state):
    """outputs, new state and loss on one batch, after backward()."""
    data, label = batch()
    with autograd.record():
        outputs, new_state = function(d2lrnn.get_inputs(data, VOCAB_SIZE), state)
        loss = d2lrnn.cross_entropy(nd.concat(*outputs, dim=0), label.T.reshape(-1))
    loss.backward()
    return nd.concat(*outputs, dim=0).asnumpy(), [S.asnumpy() for S in new_state], loss.asscalar()


def assert_equal_runs(subject, model, params, ours, state):
    """Outputs, state, loss, and the gradient of every single parameter, to rel 1e-4 of its largest number."""
    our_outputs, our_state, our_loss = run(lambda inputs, state: ours(inputs, state, params), state)
    outputs, new_state, loss = run(model, state)

    np.testing.assert_allclose(outputs, our_outputs, rtol=1e-4, atol=1e-5)
    assert len(new_state) == len(our_state)
    for a, b in zip(new_state, our_state):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert loss == pytest.approx(our_loss, rel=1e-4)
    gradients = subject.read_gradients(model)
    assert set(gradients) == set(params._fields)
    for name, param in params._asdict().items():
        wanted = param.grad.asnumpy()
        assert abs(wanted).max() > 1e-4, name
        atol = 1e-4 * abs(wanted).max()
        np.testing.assert_allclose(gradients[name].asnumpy(), wanted, rtol=0, atol=atol, err_msg=name)


@every_cell
def test_one_layer_gives_the_loss_and_every_gradient_of_the_cell_from_scratch(subject, cell):
    ours = CELLS[cell][2] or subject.gru_reset_after
    params, state = random_params(cell), random_state(cell)
    model = filled_model(subject, cell, params)

    assert_equal_runs(subject, model, params, ours, state)


@pytest.mark.parametrize("cell", ["rnn", "lstm"])
@pytest.mark.parametrize("num_layers", [2, 3])
def test_several_layers_give_the_loss_and_every_gradient_of_the_network_of_lesson_15(
    subject, cell, num_layers
):
    network = d2lrnn.get_network(cell, num_layers)
    params, state = random_params(cell, num_layers), random_state(cell, num_layers)
    model = filled_model(subject, cell, params, num_layers)

    assert_equal_runs(subject, model, params, network.rnn, state)


@pytest.mark.parametrize("num_layers", [1, 2])
def test_the_block_reads_with_any_layer_of_gluon_s(subject, num_layers):
    params, state = random_params("lstm", num_layers), random_state("lstm", num_layers)
    model = subject.RNNModel(gluon.rnn.LSTM(HIDDEN_DIM, num_layers, input_size=VOCAB_SIZE), VOCAB_SIZE)
    model.initialize(ctx=CPU)  # its second biases are zero
    subject.set_params(model, params)

    assert_equal_runs(subject, model, params, d2lrnn.get_network("lstm", num_layers).rnn, state)


def test_two_gru_layers_in_gluon_s_form_are_one_on_top_of_the_other(subject):
    params, state = random_params("gru", 2), random_state("gru", 2)
    model = filled_model(subject, "gru", params, 2)

    def both(inputs, state, params):
        passing = [nd.eye(HIDDEN_DIM), nd.zeros(HIDDEN_DIM)]  # outputs of the lower layer are its H
        between, (H_1,) = subject.gru_reset_after(inputs, state[:1], GRUParams(*params[:9], *passing))
        outputs, (H_2,) = subject.gru_reset_after(between, state[1:], GRUParams(*params[9:]))
        return outputs, (H_1, H_2)

    assert_equal_runs(subject, model, params, both, state)


@pytest.mark.parametrize("num_layers", [1, 2])
def test_gluon_s_gru_is_the_book_s_only_where_the_reset_gate_is_open(subject, num_layers):
    network = d2lrnn.get_network("gru", num_layers)
    params, state = random_params("gru", num_layers), random_state("gru", num_layers)

    book = run(lambda inputs, state: network.rnn(inputs, state, params), state)[2]
    theirs = run(filled_model(subject, "gru", params, num_layers), state)[2]
    assert theirs != pytest.approx(book, rel=1e-3)

    for name, param in params._asdict().items():
        if name.startswith("b_r"):
            param[:] = OPEN
    book = run(lambda inputs, state: network.rnn(inputs, state, params), state)
    theirs = run(filled_model(subject, "gru", params, num_layers), state)
    np.testing.assert_allclose(theirs[0], book[0], rtol=1e-4, atol=1e-5)


def test_reset_after_is_as_worked_by_hand(subject):
    z, r = [[[0.0]], [[1.0]], [0.5]], [[[1.0]], [[0.0]], [0.0]]
    h, y = [[[0.2]], [[2.0]], [1.0]], [[[3.0]], [1.0]]
    params = GRUParams(*map(nd.array, [*z, *r, *h, *y]))

    (Y,), (H,) = subject.gru_reset_after([nd.array([[1.0]])], (nd.array([[0.4]]),), params)

    # Z = sigmoid(0.4 + 0.5) = 0.710950, R = sigmoid(1) = 0.731059; the bias stands outside R
    # candidate = tanh(0.2 + 0.731059 * (2 * 0.4) + 1) = tanh(1.784847) = 0.945206
    assert H.asscalar() == pytest.approx(0.710950 * 0.4 + 0.289050 * 0.945206, rel=1e-4)
    assert Y.asscalar() == pytest.approx(3 * H.asscalar() + 1, rel=1e-4)


def test_gluon_s_own_choice_is_relu_and_the_model_does_not_take_it(subject):
    assert gluon.rnn.RNN(HIDDEN_DIM)._mode == "rnn_relu"

    params, state = random_params("rnn"), random_state("rnn")
    _, (H,), _ = run(filled_model(subject, "rnn", params), state)

    assert H.min() < 0
    assert abs(H).max() < 1


@every_cell
@pytest.mark.parametrize("num_layers", [1, 2])
def test_what_is_read_is_what_was_set(subject, cell, num_layers):
    params = random_params(cell, num_layers)

    arrays = subject.read_params(filled_model(subject, cell, params, num_layers))

    assert set(arrays) == set(params._fields)
    for name, param in params._asdict().items():
        np.testing.assert_array_equal(arrays[name].asnumpy(), param.asnumpy())


def test_the_model_holds_copies_and_what_is_read_are_copies_too(subject):
    params = random_params("rnn")
    model = filled_model(subject, "rnn", params)

    before = params.W_hy.asnumpy()
    params.W_hy[:] = 0
    subject.read_params(model)["W_hy"][:] = 0

    np.testing.assert_array_equal(subject.read_params(model)["W_hy"].asnumpy(), before)


def test_parameters_of_another_cell_or_size_or_depth_are_refused_and_nothing_is_set(subject):
    model = filled_model(subject, "rnn", random_params("rnn"))
    before = subject.read_params(model)

    for others, named in (
        (random_params("gru"), "W_hz"),
        (random_params("rnn", 2), "W_xh_2"),
        (random_params("rnn", hidden_dim=3), r"W_xh.*\(3, 5\).*\(4, 5\)"),
    ):
        with pytest.raises(ValueError, match=named):
            subject.set_params(model, others)

    for name, array in subject.read_params(model).items():
        np.testing.assert_array_equal(array.asnumpy(), before[name].asnumpy())


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(("elman", 5, 4), "elman"), (("rnn", 0, 4), "vocab_size"), (("gru", 5, 4, 0), "num_layers")],
)
def test_models_that_cannot_be_are_refused_by_name(subject, arguments, named):
    with pytest.raises(ValueError, match=named):
        subject.get_rnn_model(*arguments)


@every_cell
def test_state_is_that_of_our_networks(subject, cell):
    model = subject.get_rnn_model(cell, VOCAB_SIZE, HIDDEN_DIM, 2, CPU)

    state = model.begin_state(BATCH_SIZE, CPU)

    wanted = d2lrnn.get_network(cell, 2).init_state(BATCH_SIZE, HIDDEN_DIM, CPU)
    assert [S.shape for S in state] == [S.shape for S in wanted]
    assert all((S == 0).asnumpy().all() for S in state)


@every_cell
def test_new_weights_are_small_and_normal_and_biases_zero(subject, cell):
    mx.random.seed(0)

    arrays = subject.read_params(subject.get_rnn_model(cell, 120, 150, ctx=CPU))

    for name, array in arrays.items():
        numbers = array.asnumpy() / 0.01
        assert numbers.std() == pytest.approx(1 if name[0] == "W" else 0, abs=0.03)


@every_cell
@pytest.mark.parametrize("is_random_iter", [True, False])
def test_an_epoch_with_gluon_s_trainer_changes_the_parameters_as_lesson_9_does(subject, cell, is_random_iter):
    _, init_state, ours = CELLS[cell]
    params, batches = random_params(cell), [batch(seed) for seed in range(4)]
    batches[3] = tuple(chars[:, :2] for chars in batches[3])  # a short one counts less
    model = filled_model(subject, cell, params)
    trainer = gluon.Trainer(model.collect_params(), "sgd", {"learning_rate": 2.0, "wd": 0})

    theirs = subject.train_epoch_gluon(model, trainer, batches, 0.3, is_random_iter=is_random_iter)
    optimizer = d2lrnn.Optimizer("sgd", params, 2.0)
    ours = d2lrnn.train_epoch(
        ours or subject.gru_reset_after,
        params,
        init_state,
        batches,
        optimizer,
        0.3,
        is_random_iter=is_random_iter,
    )

    assert theirs == pytest.approx(ours, rel=1e-4)
    for name, array in subject.read_params(model).items():
        np.testing.assert_allclose(
            array.asnumpy(), params._asdict()[name].asnumpy(), rtol=1e-3, atol=1e-4, err_msg=name
        )


def test_the_second_bias_stays_zero_in_training(subject):
    model = subject.get_rnn_model("gru", VOCAB_SIZE, HIDDEN_DIM, ctx=CPU)
    trainer = gluon.Trainer(model.collect_params(), "sgd", {"learning_rate": 1.0})

    subject.train_epoch_gluon(model, trainer, [batch()], 1.0, is_random_iter=True)

    assert (model.rnn.l0_h2h_bias.data() == 0).asnumpy().all()


def test_no_batches_are_refused(subject):
    model = subject.get_rnn_model("rnn", VOCAB_SIZE, HIDDEN_DIM, ctx=CPU)
    trainer = gluon.Trainer(model.collect_params(), "sgd")

    with pytest.raises(ValueError, match="no batches"):
        subject.train_epoch_gluon(model, trainer, [], 1.0, is_random_iter=True)


def test_predict_rnn_writes_with_the_model_as_with_our_rnn(subject):
    vocab = d2lrnn.Vocab("abcde")
    params = random_params("rnn")
    model = filled_model(subject, "rnn", params)

    def concise(inputs, state, params):
        return model(inputs, state)

    texts = [
        d2lrnn.predict_rnn("ab", 8, rnn, params, d2lrnn.init_rnn_state, HIDDEN_DIM, vocab, CPU)
        for rnn in (concise, d2lrnn.rnn)
    ]

    assert texts[0] == texts[1]
