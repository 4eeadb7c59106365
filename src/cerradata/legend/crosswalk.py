"""`Crosswalk`: which class of a legend each code of another source is, as a table that never decides by chance."""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from cerradata.core.errors import LegendError
from cerradata.legend.legend import Legend, SourceCode, SourceCodes
from cerradata.legend.load import load_legend

Ambiguous = Literal["error", "unlabelled"]
"""What shall become of a code that may be any of several classes."""

Kind = Literal["one-to-one", "many-to-one", "one-to-many", "many-to-many", "unlabelled"]

NO_CLASS: Final = "unlabelled"
"""What stands in the column `to` for a code that is no class; an empty field means the same."""

_COLUMNS = ("from", "to", "share", "note")
_KEYS = ("from_legend", "from_source", "pairs")
_WHOLE_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)")


@dataclass(frozen=True)
class Pair:
    """One row of a crosswalk.

    Attributes:
        code: Code of the source, or name of a class where the crosswalk is between two legends.
        target: Name of a class; None for unlabelled.
        share: Which part of what has the code is of this class, more than 0 to 1, where it is known. It decides nothing.
        note: For people.
    """

    code: SourceCode
    target: str | None
    share: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Crosswalk:
    """Pairs of source codes and classes.

    Attributes:
        name: Name of the file, for messages.
        pairs: The rows, in order, none of them twice.
        from_legend: Legend whose class names stand in place of codes; None where codes do.
        from_source: Source of that legend, whose codes the reference holds.
    """

    name: str
    pairs: tuple[Pair, ...]
    from_legend: str | None = None
    from_source: str | None = None

    def __post_init__(self) -> None:
        """Raise `LegendError` for a table without rows, rows that stand twice, and shares of more than all."""
        if not self.pairs:
            raise LegendError(f"Crosswalk {self.name} has no row: it needs the columns `from` and `to`.")
        if (self.from_legend is None) != (self.from_source is None):
            raise LegendError(
                f"Crosswalk {self.name}: `from_legend` and `from_source` belong together. Give both where `from` holds names of "
                "classes of a legend, neither where it holds codes."
            )
        seen: set[tuple[SourceCode, str | None]] = set()
        for pair in self.pairs:
            key = (pair.code, None if pair.target is None else pair.target.casefold())
            if key in seen:
                raise LegendError(
                    f"Crosswalk {self.name} has the row {pair.code!r} -> {pair.target or NO_CLASS!r} twice: delete one."
                )
            seen.add(key)
        for code, pairs in self._by_code().items():
            total = sum(pair.share or 0 for pair in pairs)
            if total > 1.001:
                raise LegendError(
                    f"Crosswalk {self.name}: the shares of code {code!r} add up to {total:g}, more than 1."
                )

    @staticmethod
    def read(path: Path) -> "Crosswalk":
        """Read a crosswalk.

        Args:
            path: CSV with the columns `from`, `to` and, if wanted, `share` and `note`; or YAML (.yaml, .yml): a list of
                rows with these keys, or `from_legend`, `from_source` and `pairs`, which is that list.

        Raises:
            LegendError: If there is no such file, or it is not of that form.
        """
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except OSError as error:
            raise LegendError(f"Crosswalk {path} cannot be read: {error.strerror}.") from error
        except UnicodeDecodeError as error:
            raise LegendError(f"Crosswalk {path} is no UTF-8 text ({error}): save it as UTF-8.") from error
        if path.suffix.lower() in (".yaml", ".yml"):
            return _from_yaml(text, path)
        return Crosswalk(path.name, _from_csv(text, path))

    def kind(self, pair: Pair) -> Kind:
        """How a pair stands to the others: "many-to-one" where other codes become the same class."""
        if pair.target is None and len(self._by_code()[pair.code]) == 1:
            return "unlabelled"
        several_targets = len(self._by_code()[pair.code]) > 1
        same = {other.code for other in self.pairs if _same(other.target, pair.target)}
        if several_targets:
            return "many-to-many" if len(same) > 1 else "one-to-many"
        return "many-to-one" if len(same) > 1 else "one-to-one"

    @property
    def ambiguous(self) -> dict[SourceCode, tuple[str, ...]]:
        """Targets of each code that has several."""
        several = {code: pairs for code, pairs in self._by_code().items() if len(pairs) > 1}
        return {code: tuple(pair.target or NO_CLASS for pair in pairs) for code, pairs in several.items()}

    def problems(self, legend: Legend) -> tuple[str, ...]:
        """What keeps the crosswalk from being used onto a legend, beside what is ambiguous: unknown classes and codes."""
        return (*self._unknown_targets(legend), *self._unknown_origins())

    def unmapped(self, legend: Legend) -> tuple[str, ...]:
        """Classes of the legend's finest level that no code becomes: they will have no pixel."""
        reached = {legend.finest.find(pair.target or "").id for pair in self.pairs if self._decides(pair, legend)}
        return tuple(c.name for c in legend.finest.classes if c.id not in reached)

    def source_codes(self, legend: Legend, ambiguous: Ambiguous = "error") -> SourceCodes:
        """The crosswalk as the codes of a source of a legend.

        Args:
            legend: The legend whose classes stand in `to`.
            ambiguous: "error", or "unlabelled": a code with several targets is no class at all. There is no third way: a
                choice among them would invent reference data.

        Raises:
            LegendError: If classes or codes are unknown, or a code is ambiguous and nothing was said of it.
        """
        problems = self.problems(legend)
        if problems:
            raise LegendError(f"Crosswalk {self.name}: {' '.join(problems)}")
        if self.ambiguous and ambiguous == "error":
            raise LegendError(
                f"Crosswalk {self.name} leaves open what {_listed(self.ambiguous)} shall be. It is not decided by chance: keep "
                "one target for each, or say `ambiguous: unlabelled`, so that these pixels have no label."
            )
        classes: dict[SourceCode, int] = {}
        for pair in self.pairs:
            if self._decides(pair, legend) and pair.target is not None:
                classes[pair.code] = legend.finest.find(pair.target).id
        unlabelled = tuple(code for code in self._by_code() if code not in classes)
        return self._through_legend(classes, unlabelled)

    def _by_code(self) -> dict[SourceCode, list[Pair]]:
        found: dict[SourceCode, list[Pair]] = {}
        for pair in self.pairs:
            found.setdefault(pair.code, []).append(pair)
        return found

    def _decides(self, pair: Pair, legend: Legend) -> bool:
        known = pair.target is not None and _is_class(legend, pair.target)
        return known and pair.code not in self.ambiguous

    def _unknown_targets(self, legend: Legend) -> Iterable[str]:
        for target in dict.fromkeys(pair.target for pair in self.pairs if pair.target is not None):
            if _is_class(legend, target):
                continue
            coarser = [level for level in legend.levels[:-1] if target in level.names]
            if coarser:
                yield (
                    f"{target!r} is a class of level {coarser[0].number} of legend {legend.name!r}: which of its classes of "
                    f"level {legend.finest.number} it shall be is not decided here. Name one of them, or `{NO_CLASS}`."
                )
            else:
                yield (
                    f"{target!r} is no class of legend {legend.name!r}: it has {', '.join(legend.finest.names)}, and "
                    f"`{NO_CLASS}`."
                )

    def _unknown_origins(self) -> Iterable[str]:
        if self.from_legend is None:
            return
        origin = load_legend(self.from_legend)
        for code in self._by_code():
            if not _is_class(origin, str(code)):
                yield f"{code!r} is no class of legend {origin.name!r}: it has {', '.join(origin.finest.names)}."

    def _through_legend(self, classes: Mapping[SourceCode, int], unlabelled: tuple[SourceCode, ...]) -> SourceCodes:
        """Codes of the other legend's source in place of the names of its classes."""
        if self.from_legend is None or self.from_source is None:
            return SourceCodes(self.name, classes, unlabelled)
        origin = load_legend(self.from_legend)
        source = origin.source(self.from_source)
        target_of = {origin.finest.find(str(name)).id: target for name, target in classes.items()}
        named = target_of.keys() | {origin.finest.find(str(name)).id for name in unlabelled}
        forgotten = [c.name for c in origin.finest.classes if c.id not in named]
        if forgotten:
            raise LegendError(
                f"Crosswalk {self.name} says nothing of {', '.join(forgotten)} of legend {origin.name!r}: give each a class, "
                f"or `{NO_CLASS}`."
            )
        kept = {code: target_of[class_id] for code, class_id in source.classes.items() if class_id in target_of}
        others = tuple(code for code in source.known if code not in kept)
        return SourceCodes(f"{source.name} through {self.name}", kept, others)


def _is_class(legend: Legend, name: str) -> bool:
    try:
        legend.finest.find(name)
    except LegendError:
        return False
    return True


def _same(one: str | None, other: str | None) -> bool:
    return (one or "").casefold() == (other or "").casefold()


def _listed(ambiguous: Mapping[SourceCode, tuple[str, ...]]) -> str:
    return "; ".join(f"{code!r} ({' or '.join(targets)})" for code, targets in ambiguous.items())


def _from_csv(text: str, path: Path) -> tuple[Pair, ...]:
    lines = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    _check_columns(lines.fieldnames or (), path)
    pairs = []
    for line in lines:
        where = f"{path}, line {lines.line_num}"
        if None in line or None in line.values():
            raise LegendError(
                f"Crosswalk {where} has more or fewer fields than the header: put texts with commas in quotes."
            )
        pairs.append(_pair(line, where))
    return tuple(pairs)


def _check_columns(columns: Iterable[str], path: Path) -> None:
    found = list(columns)
    strange = [column for column in found if column not in _COLUMNS]
    if "from" not in found or "to" not in found or strange:
        raise LegendError(
            f"Crosswalk {path} has the columns {', '.join(map(str, found)) or 'none'}: it needs `from` and `to`, may have "
            "`share` and `note`, separated by commas, and nothing else."
        )


def _from_yaml(text: str, path: Path) -> Crosswalk:
    try:
        plain = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise LegendError(f"Crosswalk {path} is no valid YAML: {error}") from error
    said = plain if isinstance(plain, dict) else {"pairs": plain}
    strange = [key for key in said if key not in _KEYS]
    if strange:
        raise LegendError(f"Crosswalk {path} has the unknown key {strange[0]!r}: known are {', '.join(_KEYS)}.")
    rows = said.get("pairs") or []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise LegendError(f"Crosswalk {path} is not of the form of a list of rows `- {{from: 3, to: Forest}}`.")
    pairs = []
    for number, row in enumerate(rows, start=1):
        if strange := [key for key in row if key not in _COLUMNS] or [key for key in ("from", "to") if key not in row]:
            raise LegendError(
                f"Crosswalk {path}, row {number}: {strange[0]!r} is unknown or missing; a row has from, to."
            )
        pairs.append(_pair(row, f"{path}, row {number}"))
    legend, source = (None if said.get(key) is None else str(said[key]) for key in _KEYS[:2])
    return Crosswalk(path.name, tuple(pairs), legend, source)


def _pair(row: Mapping[str, Any], where: str) -> Pair:
    code = str(row["from"]).strip() if row["from"] is not None else ""
    if not code:
        raise LegendError(f"Crosswalk {where}: `from` is empty.")
    target = str(row["to"]).strip() if row["to"] is not None else ""
    return Pair(
        int(code) if _WHOLE_NUMBER.fullmatch(code) else code,
        None if target.casefold() in ("", NO_CLASS) else target,
        _share(row.get("share"), where),
        str(row.get("note") or "").strip(),
    )


def _share(value: object, where: str) -> float | None:
    if value is None or str(value).strip() == "":
        return None
    try:
        share = float(str(value))
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        raise LegendError(f"Crosswalk {where}: `share` is {value!r}; give more than 0, up to 1, or leave it empty.")
    return share
