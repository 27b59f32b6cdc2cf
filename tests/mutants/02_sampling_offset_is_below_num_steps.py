"""The offset is below num_steps for both samplers: the ends of consecutive rows are never trained on."""

from d2lrnn import *


def fresh_offset(rng, num_chars, batch_size, num_steps, *, is_random_iter):
    least = batch_size * num_steps + 1 if is_random_iter else batch_size * (num_steps + 1)
    return int(rng.integers(max(min(num_steps - 1, num_chars - least), 0) + 1))
