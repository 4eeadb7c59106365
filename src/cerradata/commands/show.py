"""What commands print: tables for people, JSON for machines."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from cerradata.legend import Legend
from cerradata.patches.select import REASONS, SelectionTally
from cerradata.scores.scores import Scores

Format = Literal["text", "json"]


def console() -> Console:
    """Standard output. Tables keep their width when it is no terminal."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=140)


def show_json(value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Print JSON on standard output."""
    print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def show_lines(lines: Iterable[str]) -> None:
    """Print lines as they are."""
    out = console()
    for line in lines:
        out.print(line, markup=False)


def show_simulated(simulated: Iterable[str]) -> None:
    """Say that figures are of simulated data; nothing for real data."""
    show_lines(f"Simulated data ({text}): no figure here is of a real place." for text in simulated)


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; all columns but the first are numbers."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right")
    for row in rows:
        table.add_row(*row)
    console().print(table)


def show_scores(scores: Scores, title: str) -> None:
    """Print the scores of a confusion matrix, one row a class."""
    show_table(
        title,
        ("class", "precision", "recall", "F1", "IoU", "support (pixels)", "objects"),
        (
            (
                c.name,
                *(_percent(v) for v in (c.precision, c.recall, c.f1, c.iou)),
                f"{c.support:,}",
                "" if c.objects is None else f"{c.objects:,}",
            )
            for c in scores.per_class
        ),
    )
    kappa = "undefined" if scores.kappa is None else f"{scores.kappa:.4f}"
    lines = [
        f"macro F1 {scores.macro_f1:.4f} %   mean IoU {scores.mean_iou:.4f} %   overall accuracy "
        f"{scores.overall_accuracy:.4f} %   kappa {kappa}   ({scores.classes_averaged} classes averaged)"
    ]
    lines += [f"absent: {c.name} has no support; {c.false_positives:,} pixels were taken for it" for c in scores.absent]
    show_lines(lines)


def show_selection(tally: SelectionTally, legend: Legend) -> None:
    """Print what was kept and rejected, by reason and class, and how much of each class has data in every band.

    Warns of classes that the rule deletes.
    """
    reasons = [reason for reason in REASONS if tally.patches[reason]]
    show_lines(
        [
            f"{tally.patches['kept']:,} patches kept"
            + "".join(f", {tally.patches[reason]:,} rejected ({reason})" for reason in reasons)
        ]
    )
    known = [reason for reason in reasons if reason != "unreadable"]
    valid = tally.valid_shares
    if known or any(share is not None and share < 1 for share in valid):
        show_table(
            "Pixels by class",
            ("class", "kept", *(f"rejected: {reason}" for reason in known), "with data (%)"),
            (
                (
                    c.name,
                    *(f"{int(tally.pixels[kind][c.id]):,}" for kind in ("kept", *known)),
                    _percent(None if (share := valid[c.id]) is None else 100 * share),
                )
                for c in legend.finest.classes
            ),
        )
    for name in tally.lost_classes(legend.finest):
        show_lines([f"warning: the selection rejects more than half of the pixels of {name}"])


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
