"""What is true of the cells of lessons 4, 11 and 12 alike: of parameters, states, outputs and gradients."""

import mxnet as mx
import numpy as np
import pytest
from cell_oracles import (
    BATCH_SIZE,
    CPU,
    HIDDEN_DIM,
    NUM_STEPS,
    VOCAB_SIZE,
    gradients,
    random_case,
    shape_of,
    slopes,
)
from mxnet import autograd, nd


class CellLaws:
    """Tests for a class of a lesson's tests to inherit, which says what its functions are called."""

    cell, get_params, init_state = "rnn", "get_params", "init_rnn_state"
    gates, num_states = "h", 1
    Params: type

    @property
    def names(self):
        """Of the parameters, in their order."""
        return [name for g in self.gates for name in (f"W_x{g}", f"W_h{g}", f"b_{g}")] + ["W_hy", "b_y"]

    def new_params(self, subject, *sizes, **options):
        return getattr(subject, self.get_params)(*sizes, **options)

    def new_state(self, subject, *sizes):
        return getattr(subject, self.init_state)(*sizes)

    def read(self, subject, *case):
        return getattr(subject, self.cell)(*case)

    def case(self, **options):
        """inputs, state, params."""
        return random_case(self.Params, self.num_states, **options)

    def test_parameters_have_the_names_and_shapes_of_the_formulas(self, subject):
        params = self.new_params(subject, VOCAB_SIZE, HIDDEN_DIM, CPU)

        assert list(params._fields) == self.names
        assert [param.shape for param in params] == [shape_of(name) for name in self.names]
        assert all(param.dtype == np.float32 for param in params)

    @pytest.mark.parametrize(("options", "scale"), [({}, 0.01), ({"scale": 0.5}, 0.5)], ids=str)
    def test_weights_are_normal_with_deviation_scale_and_biases_zero(self, subject, options, scale):
        mx.random.seed(0)

        params = self.new_params(subject, 120, 150, CPU, **options)._asdict()

        for name in self.names:
            numbers = params[name].asnumpy() / scale
            if name[0] == "b":
                assert not numbers.any()
            else:  # 18,000 numbers or more: the bounds are 5 deviations and wider
                assert numbers.mean() == pytest.approx(0, abs=0.04)
                assert numbers.std() == pytest.approx(1, abs=0.03)
                assert (abs(numbers) < 1).mean() == pytest.approx(0.6827, abs=0.02)  # uniform ones: 0.577

    def test_no_two_gates_start_alike_and_a_seed_repeats_them_all(self, subject):
        def drawn(seed):
            mx.random.seed(seed)
            return [param.asnumpy() for param in self.new_params(subject, VOCAB_SIZE, HIDDEN_DIM, CPU)]

        first, num_gates = drawn(7), len(self.gates)

        assert all(np.array_equal(a, b) for a, b in zip(first, drawn(7)))
        assert not np.array_equal(first[0], drawn(8)[0])
        assert len({weights.tobytes() for weights in first[0 : 3 * num_gates : 3]}) == num_gates
        assert len({weights.tobytes() for weights in first[1 : 3 * num_gates : 3]}) == num_gates

    def test_every_parameter_has_its_gradient_attached(self, subject):
        params = self.new_params(subject, VOCAB_SIZE, HIDDEN_DIM, CPU)

        with autograd.record():
            loss = sum((3 * param).sum() for param in params)
        loss.backward()

        assert all((param.grad == 3).asnumpy().all() for param in params)

    def test_parameters_and_state_live_where_they_are_asked_to(self, subject):
        second = mx.cpu(1)  # a context of its own, on every machine

        arrays = [*self.new_params(subject, 3, 2, second), *self.new_state(subject, 3, 2, second)]

        assert {array.context for array in arrays} == {second}

    @pytest.mark.parametrize(
        ("sizes", "options", "named"),
        [((0, 4), {}, "vocab_size"), ((5, 2.5), {}, "hidden_dim"), ((5, 4), {"scale": 0}, "scale")],
    )
    def test_parameters_of_no_size_are_refused_by_name(self, subject, sizes, options, named):
        with pytest.raises(ValueError, match=named):
            self.new_params(subject, *sizes, CPU, **options)

    def test_the_first_state_is_matrices_of_zeros_that_are_not_one(self, subject):
        sizes = BATCH_SIZE, HIDDEN_DIM
        state = self.new_state(subject, *sizes, CPU)

        assert isinstance(state, tuple) and len(state) == self.num_states
        for S in state:
            np.testing.assert_array_equal(S.asnumpy(), np.zeros(sizes))
            S[:] = 1
        assert not self.new_state(subject, *sizes, CPU)[0].asnumpy().any()

    def test_a_state_of_no_rows_is_refused(self, subject):
        with pytest.raises(ValueError, match="batch_size"):
            self.new_state(subject, 0, HIDDEN_DIM, CPU)

    def test_outputs_are_one_matrix_a_step_and_the_last_comes_from_the_new_state(self, subject):
        inputs, state, params = self.case()

        outputs, new_state = self.read(subject, inputs, state, params)

        assert [Y.shape for Y in outputs] == [(BATCH_SIZE, VOCAB_SIZE)] * NUM_STEPS
        assert isinstance(new_state, tuple)
        assert [S.shape for S in new_state] == [(BATCH_SIZE, HIDDEN_DIM)] * self.num_states
        last = new_state[0].asnumpy() @ params.W_hy.asnumpy() + params.b_y.asnumpy()
        np.testing.assert_allclose(outputs[-1].asnumpy(), last, rtol=1e-4)

    @pytest.mark.parametrize("cut", range(1, NUM_STEPS))
    def test_a_text_read_in_two_parts_gives_the_outputs_of_the_whole(self, subject, cut):
        inputs, state, params = self.case()

        whole, new_state = self.read(subject, inputs, state, params)
        first, middle = self.read(subject, inputs[:cut], state, params)
        second, again = self.read(subject, inputs[cut:], middle, params)

        for found, expected in [([*first, *second], whole), (again, new_state)]:
            np.testing.assert_allclose(nd.stack(*found).asnumpy(), nd.stack(*expected).asnumpy(), rtol=1e-4)

    def test_a_row_of_the_batch_does_not_know_of_the_others(self, subject):
        inputs, state, params = self.case()

        together, _ = self.read(subject, inputs, state, params)
        alone, _ = self.read(subject, [X[1:2] for X in inputs], tuple(S[1:2] for S in state), params)

        np.testing.assert_allclose(
            nd.stack(*alone).asnumpy(), nd.stack(*together)[:, 1:2].asnumpy(), rtol=1e-4
        )

    def test_reading_changes_neither_inputs_nor_state_nor_parameters(self, subject):
        inputs, state, params = self.case()
        before = [array.asnumpy() for array in (*inputs, *state, *params)]

        self.read(subject, inputs, state, params)

        assert all(np.array_equal(a.asnumpy(), b) for a, b in zip((*inputs, *state, *params), before))

    def test_the_gradient_is_the_slope_of_the_loss(self, subject):
        inputs, state, params = self.case()

        def everything():
            outputs, new_state = self.read(subject, inputs, state, params)
            return [*outputs, *new_state]

        for name, array in zip([*self.names, "H", "C"], (*params, *state)):
            (gradient,) = gradients(everything, [array])
            np.testing.assert_allclose(gradient, slopes(everything, array), rtol=1e-4, err_msg=name)
