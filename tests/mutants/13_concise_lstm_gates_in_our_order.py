"""The matrices of the gates are joined in the book's order i, f, o, c: Gluon reads i, f, c, o."""

from mxnet import nd

from d2lrnn import *


def set_params(model, params):
    gates = {1: "h", 3: "rzh", 4: "ifoc"}[(len(params) - 2) // 3 // model.num_layers]
    arrays = params._asdict()
    for k in range(model.num_layers):
        suffix = f"_{k + 1}" if k else ""
        for theirs, ours in (("i2h_weight", "W_x"), ("h2h_weight", "W_h"), ("i2h_bias", "b_")):
            joined = nd.concat(*[arrays[f"{ours}{gate}{suffix}"] for gate in gates], dim=-1).T
            getattr(model.rnn, f"l{k}_{theirs}").set_data(joined)
    model.dense.weight.set_data(params.W_hy.T)
    model.dense.bias.set_data(params.b_y)
