# everything in one file, each function leaning on those above, with own conventions inside
import collections, contextlib, math, random, sys, time
import mxnet as mx
from mxnet import autograd, gluon, nd

random.seed(0)
Params = collections.namedtuple('Params', ['W_xh', 'W_hh', 'b_h', 'W_hy', 'b_y'])
softmax_ce = gluon.loss.SoftmaxCrossEntropyLoss()


def get_inputs(data, vocab_size, time_major=False):
    """with an option of its own"""
    steps = data if time_major else data.T
    lo, hi = steps.min().asscalar(), steps.max().asscalar()
    if lo < 0 or hi >= vocab_size: raise IndexError((lo, hi))
    return [nd.one_hot(s, vocab_size) for s in steps]


def cross_entropy(logits, label, check=True):
    if check and ((label < 0).sum() + (label >= logits.shape[-1]).sum()).asscalar():
        raise IndexError('label')
    return softmax_ce(logits, label).mean()


def perplexity(nats_per_char, cap=float('inf')):
    try: return min(math.exp(nats_per_char), cap)
    except OverflowError: return cap


def grad_clipping(params, theta, raise_on_nan=True):
    arrays = [p.grad.astype('float64') for p in params]
    total = math.sqrt(sum(float((a * a).sum().asscalar()) for a in arrays))
    if raise_on_nan and not math.isfinite(total): raise FloatingPointError(total)
    if total > theta:
        for p in params: p.grad[:] = p.grad * (theta / total)
    return total


def train_batches(rnn, params, init_state, batches, optimizer, clipping_theta, *, is_random_iter, state=None):
    vocab_size, hidden_dim = params[-1].size, params[-2].shape[0]
    for X, Y in batches:
        if is_random_iter or state is None:
            state = init_state(X.shape[0], hidden_dim, X.context)
        state = [s.detach() for s in state]
        state = tuple(state)
        with autograd.record():
            outputs, state = rnn(get_inputs(X.T, vocab_size, time_major=True), state, params)
            loss = cross_entropy(nd.concat(*outputs, dim=0), Y.T.reshape((-1,)), check=False)
        loss.backward()
        grad_clipping(params, clipping_theta, raise_on_nan=False)
        optimizer.step(params)
        yield loss.asscalar(), Y.size, state


def train_epoch(rnn, params, init_state, batches, optimizer, clipping_theta, *, is_random_iter):
    losses = list(train_batches(rnn, params, init_state, batches, optimizer, clipping_theta, is_random_iter=is_random_iter))
    if not losses: raise ValueError('no batches')
    return perplexity(sum(l * n for l, n, _ in losses) / sum(n for _, n, _ in losses), cap=1e30)


def evaluate(rnn, params, init_state, indices, batch_size, num_steps, ctx=None):
    batch_size = min(batch_size, len(indices) // 2)
    length = len(indices) // batch_size
    rows = nd.array(indices[:length * batch_size], dtype='int32').reshape((batch_size, length))
    state, total, count = init_state(batch_size, params[-2].shape[0], ctx), 0.0, 0
    for i in range(0, length - 1, num_steps):
        j = min(i + num_steps, length - 1)
        outputs, state = rnn(get_inputs(rows[:, i:j].T, params[-1].size, time_major=True), state, params)
        n = batch_size * (j - i)
        total += cross_entropy(nd.concat(*outputs, dim=0), rows[:, i + 1:j + 1].T.reshape((-1,))).asscalar() * n
        count += n
    return perplexity(total / count)


def main():
    corpus = sys.stdin.read()
    print(len(corpus))


if __name__ == '__main__':
    main()
