"""Progress of long work on the terminal."""

from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

T = TypeVar("T")


class _Rate(ProgressColumn):
    """Steps a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.1f}/s" if speed else "", style="cyan")


def track(items: Iterable[T], *, what: str, total: int | None = None, quiet: bool = False) -> Iterator[T]:
    """Go through `items`, showing count, rate and time left on standard error.

    Args:
        items: What to go through.
        what: The words before the bar ("Cutting patches").
        total: Number of items, where `len(items)` does not tell.
        quiet: Show nothing.

    Yields:
        The items.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as progress:
        yield from progress.track(items, total=total, description=what)
