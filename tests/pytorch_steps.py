"""Fifty steps of PyTorch's optimizers and schedules, for test_07_optim.py; their numbers stand beside it.

    .venv-peers/bin/python tests/pytorch_steps.py > tests/pytorch_steps.json

writes them anew; `make bench` makes .venv-peers. What both sides are given stands above main.
"""

import json
import math

import numpy as np

NUM_STEPS = 50
START = [1.0, -2.0, 0.5, 3.0]
RUNS = {
    "adam": {"optimizer": "adam", "lr": 0.05},
    "adamw": {"optimizer": "adam", "lr": 0.05, "weight_decay": 0.1},
    "adamw, warm-up": {"optimizer": "adam", "lr": 0.05, "weight_decay": 0.1, "warmup": 8},
    "adamw, cosine": {"optimizer": "adam", "lr": 0.05, "weight_decay": 0.5, "schedule": "cosine"},
    "adamw, both": {
        "optimizer": "adam", "lr": 0.02, "weight_decay": 1.0, "schedule": "cosine", "warmup": 12,
    },
    "sgd, both": {"optimizer": "sgd", "lr": 0.01, "weight_decay": 0.3, "schedule": "cosine", "warmup": 5},
}  # fmt: skip


def gradient(t):
    """Of step t, for each of the four parameters; each has another size, and changes its sign at times."""
    return np.float32([10.0**k * math.sin((k + 3) * t / 7 + k) for k in (-2, -1, 0, 1)])


def scheduler(torch, optimizer, warmup=0, schedule="constant"):
    """Linear warm-up, then half a cosine: put together as PyTorch's documentation does it."""
    from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

    left = NUM_STEPS - warmup
    after = (
        CosineAnnealingLR(optimizer, T_max=left)
        if schedule == "cosine"
        else LinearLR(optimizer, start_factor=1.0, total_iters=left)
    )
    if not warmup:
        return after
    rising = LinearLR(optimizer, start_factor=1 / warmup, total_iters=warmup - 1)
    return SequentialLR(optimizer, [rising, after], milestones=[warmup])


def steps(torch, optimizer, lr, weight_decay=0.0, **how):
    """The learning rate of every step, and the parameters after it."""
    param = torch.tensor(START, requires_grad=True)
    kind = {"adam": torch.optim.AdamW, "sgd": torch.optim.SGD}[optimizer]
    stepping = kind([param], lr=lr, weight_decay=weight_decay)
    schedule, rates, params = scheduler(torch, stepping, **how), [], []
    for t in range(1, NUM_STEPS + 1):
        rates.append(float(f"{stepping.param_groups[0]['lr']:.9g}"))
        param.grad = torch.from_numpy(gradient(t))
        stepping.step()
        schedule.step()
        params.append([float(f"{value:.9g}") for value in param.tolist()])
    return {"lr": rates, "params": params}


def main():
    import torch

    found = {name: steps(torch, **run) for name, run in RUNS.items()}
    lines = [f'"torch": "{torch.__version__}"']
    lines += [f"{json.dumps(name)}: {json.dumps(run)}" for name, run in found.items()]
    print("{\n" + ",\n".join(lines) + "\n}")


if __name__ == "__main__":
    main()
