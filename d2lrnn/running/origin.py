"""A run that begins with the weights of another, on the characters of that one and those that are new."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .directory import Trained
from .run import Run
from .settings import Settings, flag_of

Load = Callable[[Settings], Trained]  # reads the network that --init names
SAME = ("cell", "layers", "hidden_dim")  # and tied, where it can be


def inherit(asked: Mapping[str, Any], origin: Trained) -> dict[str, Any]:
    """The settings that are asked for, and from origin: the sizes of the network, and all its characters.

    Raises:
        ValueError: another size is asked for.
    """
    sizes = {name: getattr(origin.settings, name) for name in SAME}
    for name, size in sizes.items():
        if asked.get(name, size) != size:
            flag = flag_of(name)
            raise ValueError(f"{flag} {asked[name]}: --init {origin.source} has {size}; omit {flag}")
    is_tied = origin.tied is not None
    if asked.get("tied") and not is_tied:
        raise ValueError(f"--tied: the network of --init {origin.source} is not tied; give --no-tied")
    chars = {*(asked.get("chars") or ""), *origin.vocab.idx_to_char}
    return {"tied": is_tied, **asked, **sizes, "chars": "".join(sorted(chars))}


def begin_with(run: Run, origin: Trained) -> None:
    """Give a run that has not begun the weights of origin.

    A character that both know keeps its row of W_xh and its column of W_hy, or its row of W_e, whatever its
    index is; one that only the run knows has those that were drawn. All else is copied. The optimizer starts
    afresh.

    Raises:
        ValueError: origin is another network than the settings of the run ask for, knows other characters, or
        is not finite.
    """
    inherit({name: getattr(run.settings, name) for name in (*SAME, "tied")}, origin)
    params = origin.tied if run.settings.tied else origin.params
    rows = run.vocab.encode("".join(origin.vocab.idx_to_char))
    for name, axis in _axes(run).items():
        theirs, ours = getattr(params, name).asnumpy(), run.params._asdict()[name]
        if not np.isfinite(theirs).all():
            raise ValueError(f"--init {origin.source}: {name} holds NaN or infinity: give another run")
        numbers = ours.asnumpy()
        numbers[(slice(None),) * (axis or 0) + (slice(None) if axis is None else rows,)] = theirs
        ours[:] = numbers
    run.origin = {"run": os.path.abspath(origin.source), "what": origin.what, **_describe(origin)}


def _axes(run: Run) -> dict[str, int | None]:
    """Which axis of each parameter counts characters; None: no one."""
    width = run.settings.hidden_dim
    pairs = zip(run.network.shapes(1, width), run.network.shapes(2, width))
    return {name: next((k for k in range(len(a)) if a[k] != b[k]), None) for (name, a), (_, b) in pairs}


def _describe(origin: Trained) -> dict[str, Any]:
    arrays = [array.asnumpy().tobytes() for array in origin.params]
    return {"num_chars": len(origin.vocab), "sha256": hashlib.sha256(b"".join(arrays)).hexdigest()}
