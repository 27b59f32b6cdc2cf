"""What the launcher says: lines of many processes and one bar, on one terminal."""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import Any

from ..cli import printable, progress_bar, say, say_last, show
from ..messages import translated


class Console(threading.Thread):
    """Prints lines and draws the bar: a terminal that is blocked delays nothing else."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._lines: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._news: tuple[int, int, str] | None = None  # not drawn yet; a token for it waits among the lines
        self._lock = threading.Lock()  # holds the two together
        self._bar = progress_bar(None, disable=True)
        self.start()

    def say(self, text: str, how: str = "stderr") -> None:
        """Print one line. how: stdout, stderr, or last: stderr if stdout is lost."""
        self._lines.put((how, text))

    def show(self, facts: dict[str, Any]) -> None:
        """Draw the bar: n, total, text. If updates come faster than it is drawn, the last one counts."""
        news = int(facts["n"]), int(facts["total"]), translated(printable(str(facts["text"]), keep=""))
        with self._lock:
            if self._news is None:
                self._lines.put(("bar", None))
            self._news = news

    def close(self) -> None:
        """Return when all is printed."""
        self._lines.put(None)
        self.join()

    def run(self) -> None:
        """Print what comes, until it is closed."""
        says = {"stdout": show, "stderr": say, "last": say_last}
        for how, text in iter(self._lines.get, None):
            with contextlib.suppress(OSError, ValueError):
                self._draw() if how == "bar" else says[how](text)
        self._bar.close()

    def _draw(self) -> None:
        with self._lock:
            news, self._news = self._news, None
        assert news
        n, total, text = news
        if total != self._bar.total or n < self._bar.n:  # the first, or after a new start
            self._bar.close()
            self._bar = progress_bar(total, initial=n)
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(n - self._bar.n)
