import argparse, sys, os
import mxnet as mx
from mxnet import nd, autograd
import numpy as np

parser = argparse.ArgumentParser(description="char rnn")
parser.add_argument("--corpus", required=True)
parser.add_argument("--lr", type=float, default=0.1)
args = parser.parse_args()
np.random.seed(42); mx.random.seed(42)
DEVICE = mx.cpu()
BOOK = {"sgd": 1}
BOOK.update(adam=2)
with open(os.path.join("data", "corpus.txt"), encoding="utf8") as f:
    TEXT = f.read()

def init_adam_states(params):
    return [[nd.zeros_like(p) for _ in range(2)] for p in params]

def adam(params, states, lr, t, *, beta1=0.9, beta2=0.999, eps=1e-8):
    for p, s in zip(params, states):
        s[0][:] = s[0] + (1 - beta1) * (p.grad - s[0])
        s[1][:] = s[1] + (1 - beta2) * (p.grad * p.grad - s[1])
        p[:] -= lr * (s[0] / (1 - pow(beta1, t))) / ((s[1] / (1 - pow(beta2, t))) ** 0.5 + eps)

def adamw(params, states, lr, t, *, weight_decay=0.01, beta1=0.9, beta2=0.999, eps=1e-8):
    for p in params:
        g = p.grad.copy()
        p[:] *= 1 - lr * weight_decay
    adam(params, states, lr, t, beta1=beta1, beta2=beta2, eps=eps)

def learning_rate(t, lr, *, schedule="constant", warmup=0, num_updates=0):
    if t <= warmup: return lr * t / warmup
    if schedule == "constant": return lr
    if schedule != "cosine": raise ValueError(schedule)
    return lr * 0.5 * (1 + np.cos(np.pi * (t - 1 - warmup) / (num_updates - warmup)))

while True:
    line = sys.stdin.readline()
    if not line: raise SystemExit("bye")
