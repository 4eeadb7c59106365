"""From values to HTML: the templates, and how numbers are written on a page."""

import math
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from cerradata import __version__

ABSENT = "\N{EN DASH}"  # where a figure does not exist
TIMES = "\N{MULTIPLICATION SIGN}"
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Fact:
    """A figure or a word under a heading of its own.

    Attributes:
        label: What it is.
        value: The figure, as it shall be read.
        note: A few words of explanation.
    """

    label: str
    value: str
    note: str = ""


def render(template: str, values: dict[str, object]) -> str:
    """The page of a template.

    Args:
        template: Name of a file in `templates`.
        values: What the template asks for. Text is escaped.
    """
    return _environment().get_template(template).render(**values, software=f"cerradata {__version__}")


def count(number: int | None) -> str:
    """A count with separators: 1,234,567."""
    return ABSENT if number is None else f"{number:,}"


def percent(share: float | None) -> str:
    """A share in percent with two decimals, never rounded to 0 or 100 when it is neither: <0.01, 12.34, >99.99, 100.00."""
    if share is None or math.isnan(share):
        return ABSENT
    text = f"{share:.2f}"
    if text == "0.00" and share > 0:
        return "<0.01"
    if text == "100.00" and share < 100:
        return ">99.99"
    return text


def number(value: float | None, decimals: int) -> str:
    """A measured number with as many decimals as the others of its table: 2,820.9, 0.18821, -12.5."""
    if value is None or math.isnan(value):
        return ABSENT
    return f"{round(value, decimals) + 0.0:,.{decimals}f}"  # + 0.0: no -0.00


def share_of(part: float, whole: float) -> float | None:
    """Percent that `part` is of `whole`; None of nothing."""
    return 100 * part / whole if whole else None


def quantity(amount: int, noun: str) -> str:
    """A count with its noun: "1 patch" is `quantity(1, "patch")`, "2 classes" is `quantity(2, "class")`."""
    plural = f"{noun}es" if noun.endswith(("s", "ch")) else f"{noun}s"
    return f"{amount:,} {noun if amount == 1 else plural}"


def listed(words: list[str]) -> str:
    """Words as a sentence lists them: "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("cerradata.evaluation.report"),
        autoescape=True,  # names come from files of others
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": count, "percent": percent, "number": number}
    return environment
