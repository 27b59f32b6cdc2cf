"""The parameter server of lesson 17: sums over all workers, with all its pitfalls in one place."""

from __future__ import annotations

import functools
import hashlib
import operator
import os
from collections.abc import Mapping, Sequence
from typing import Any

import mxnet as mx
import numpy as np
from mxnet import nd

MAX_FACTS = 64
HOST = mx.cpu()  # where messages are, whatever device the gradients are on
SPLIT = "MXNET_KVSTORE_BIGARRAY_BOUND", "10000"  # an array of so many numbers is divided among all servers
SIZES = 8  # in how many sizes the rows of characters travel: each has memory of its own in the server


class Workers:
    """This process, one of num_workers around a parameter server: MXNet's KVStore dist_sync.

    The environment says where the server is (DMLC_PS_ROOT_URI and the like). index counts from 0 and is
    assigned by us: the store's own rank changes with every start. deterministic: the same sum to the last bit
    for more than two workers, too, whose rows are otherwise added in order of arrival.

    Raises:
        ValueError: MXNet was built without it, or the environment has another number of workers.
    """

    def __init__(self, index: int, num_workers: int, *, deterministic: bool = False) -> None:
        if not mx.runtime.Features().is_enabled("DIST_KVSTORE"):
            raise ValueError("this build of MXNet has no parameter server: only that for Linux on x86-64 has")
        self.index, self.num_workers, self.shards = index, num_workers, (index,)
        os.environ.setdefault(*SPLIT)
        self.store = mx.kv.create("dist_sync")
        self.wait_at_exit(False)
        if (self.store.type, self.store.num_workers) != ("dist_sync", num_workers):
            raise ValueError(f"{num_workers} workers are wanted, and the store has {self.store.num_workers}")
        self._in_order = deterministic and num_workers > 2  # of two, the sum is the same in both orders
        self._kept: dict[str, nd.NDArray] = {}
        self._keys: set[str] = set()

    def add_up(
        self, rows: Sequence[nd.NDArray], out: nd.NDArray, name: str = "gradients", read: Any = None
    ) -> None:
        """Write the sum of all workers' rows of this name to out, without waiting for the rows.

        read: indices of the characters that this worker has read (None: all). Then row and out are
        (num_tables, vocab_size, hidden_dim), and what no worker has read is 0 in every row: it does not
        travel. For this the workers first wait until all have said what they have read.
        """
        (row,) = rows
        if read is None:
            total = self._total(name, row)
            if total is not out:
                total.copyto(out)
            return
        num_tables, num_chars, hidden_dim = row.shape
        chars = self.read_by_any(read, num_chars) + num_chars * np.arange(num_tables)[:, None]
        places = nd.array(chars.reshape(-1), row.context, "int32")
        packed = self._keep(name, (places.size, hidden_dim), row.context)
        nd.take(row.reshape((-1, hidden_dim)), places, out=packed)
        if row is not out:
            row.copyto(out)
        table, total = out.reshape((-1, hidden_dim)), self._total(name, packed)
        where = {"indices": places.reshape((1, -1)), "shape": table.shape}
        nd._internal._scatter_set_nd(lhs=table, rhs=total, out=table, **where)  # table[places] = … would wait

    def read_by_any(self, read: nd.NDArray, num_chars: int) -> np.ndarray:
        """The characters that any worker has read, and as many others as make one of SIZES numbers."""
        counts = self._keep("read", (num_chars,), HOST)
        counts[:] = np.bincount(read.asnumpy().clip(0, num_chars - 1).reshape(-1), minlength=num_chars)
        self.sum("read", counts)
        unread = counts.asnumpy() == 0
        eighths = -(-SIZES * int((~unread).sum()) // num_chars)
        return unread.argsort(kind="stable")[: -(-eighths * num_chars // SIZES)]

    def _total(self, name: str, row: nd.NDArray) -> nd.NDArray:
        """The sum of all workers' rows, in place if their order is of no importance.

        What is pushed is received in place: a push waits until the pull before it has been written. The
        server counts messages, not senders: it would add up rows of two different steps.
        """
        if not self._in_order:
            self.sum(name, row)
            return row
        table = _clear(self._keep(f"all {name}", (self.num_workers, *row.shape), row.context))
        table[self.index] = row
        self.sum(f"all {name}", table)
        return functools.reduce(operator.add, list(table))

    def _keep(self, name: str, shape: tuple[int, ...], ctx: mx.Context) -> nd.NDArray:
        """An array of this name and shape, the same each time: what is pushed must not be a new one."""
        key = f"{name} {shape}"
        if key not in self._kept:
            self._kept[key] = nd.empty(shape, ctx=ctx)
        return self._kept[key]

    def gather(self, name: str, rows: np.ndarray) -> np.ndarray:
        """All workers' rows, (num_workers, len(row)), float32. rows: this worker's, (1, len(row))."""
        table = _clear(nd.empty((self.num_workers, rows.shape[1]), HOST))
        table[self.index : self.index + 1] = rows
        self.sum(name, table)
        return table.asnumpy()

    def share(self, arrays: Mapping[str, nd.NDArray]) -> None:
        """Give all workers the first one's arrays, in place."""
        for name, array in arrays.items():
            if self.index:
                _clear(array)
            self.sum(f"share {name}", array)
            array.wait_to_read()

    def tell(self, message: bytes) -> bytes:
        """The first worker's message, to all."""
        size = nd.array([len(message)], HOST)
        self.share({"size": size})
        num_bytes = int(size.asscalar())
        padded = np.frombuffer(message[:num_bytes].ljust(num_bytes), np.uint8)
        chars = nd.array(padded, HOST, dtype="float32")
        self.share({"message": chars})
        return chars.asnumpy().astype(np.uint8).tobytes()

    def compare(self, facts: Mapping[str, object]) -> None:
        """Check that all workers have the same facts: otherwise the store adds what does not match, or hangs.

        Raises:
            ValueError: naming a worker and the facts in which it differs from the first.
        """
        row = np.zeros(1 + 3 * MAX_FACTS, np.float32)
        row[0], names = 1, list(facts)
        for k, name in enumerate(names):  # 48 bits of each: float32 holds 16 at a time
            digest = hashlib.sha256(f"{name}={facts[name]}".encode()).digest()
            row[1 + 3 * k : 4 + 3 * k] = np.frombuffer(digest[:6], np.uint16)
        table = self.gather("facts", row[None])
        for worker, found in enumerate(table):
            if found[0] != 1:
                raise ValueError(f"{int(found[0])} workers have the index {worker}: number them from 0 on")
            others = [
                name for k, name in enumerate(names) if (found != table[0])[1 + 3 * k : 4 + 3 * k].any()
            ]
            if others:
                raise ValueError(
                    f"worker {worker} was started with another {' and '.join(others)} than worker 0: "
                    "give all of them the same"
                )

    def leave(self) -> None:
        """Wait until all workers have called this, and leave the store: after success only."""
        self.wait_at_exit(True)
        del self.store

    def wait_at_exit(self, wait: bool) -> None:
        """Whether this process waits at its end for all others: right after success, and only then."""
        mx.base.check_call(mx.base._LIB.MXKVStoreSetBarrierBeforeExit(self.store.handle, int(wait)))

    def sum(self, key: str, array: nd.NDArray) -> None:
        """Replace array by the sum of all workers' arrays of this key and shape."""
        key = f"{key} {array.shape}"
        if key not in self._keys:
            self._keys.add(key)
            self.store.init(key, nd.zeros_like(array))
        self.store.push(key, array)
        self.store.pull(key, out=array)


def _clear(array: nd.NDArray) -> nd.NDArray:
    """Fill it with -0.0: adding 0 would turn a -0.0 into 0, and array[:] = -0.0 writes 0 in MXNet."""
    return nd.negative(nd.zeros_like(array), out=array)
