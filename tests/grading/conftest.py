"""A worker for all tests that need no other: it takes seconds to start."""

from collections.abc import Iterator

from d2lrnn.grading.jail import Jail

import pytest


@pytest.fixture(scope="session")
def jail() -> Iterator[Jail]:
    with Jail(as_root=True) as jail:
        yield jail
