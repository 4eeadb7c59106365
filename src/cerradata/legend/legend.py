"""`Legend`: the classes of a land-cover map at every level of detail, and the codes of its sources."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import numpy as np

from cerradata.core.errors import LegendError
from cerradata.core.types import UNLABELLED, LabelArray

Colour = tuple[int, int, int]
SourceCode = int | str

LEGEND_TAG = "CERRADATA_LEGEND"
LEVEL_TAG = "CERRADATA_LEVEL"


@dataclass(frozen=True)
class LandCoverClass:
    """One class of one level.

    Attributes:
        id: Value in the label rasters, 0 to 254, consecutive from 0 within a level.
        name: English name.
        short: Name of a few letters, for plots and tables.
        colour: Red, green, blue, each 0 to 255.
        parent: Id of the class of the next coarser level that holds this one; None at level 1.
        aliases: Other names under which the class is known (a published name, say).
        translations: Name by language code ("pt").
    """

    id: int
    name: str
    short: str
    colour: Colour
    parent: int | None = None
    aliases: tuple[str, ...] = ()
    translations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            LegendError: If the id or the colour is out of range.
        """
        if not 0 <= self.id < UNLABELLED:
            raise LegendError(
                f"Class {self.name!r} has id {self.id}: ids are 0 to {UNLABELLED - 1} (255 is unlabelled)."
            )
        if len(self.colour) != 3 or any(not 0 <= part <= 255 for part in self.colour):
            raise LegendError(f"Class {self.name!r} has colour {self.colour}: three numbers from 0 to 255 are needed.")

    @property
    def hex_colour(self) -> str:
        """The colour as `#rrggbb`."""
        return "#{:02x}{:02x}{:02x}".format(*self.colour)


@dataclass(frozen=True)
class Level:
    """One level of detail.

    Attributes:
        number: Counted from the coarsest, which is 1.
        classes: In the order of their ids.
    """

    number: int
    classes: tuple[LandCoverClass, ...]

    def __post_init__(self) -> None:
        """Check the classes against each other.

        Raises:
            LegendError: If ids are not 0, 1, 2, ... or a name or short name stands twice.
        """
        ids = [c.id for c in self.classes]
        if not ids or ids != list(range(len(ids))):
            raise LegendError(f"Level {self.number} has class ids {ids}: they must be 0, 1, 2, ... in order.")
        for kind in ("name", "short"):
            names = [getattr(c, kind) for c in self.classes]
            doubled = sorted({n for n in names if names.count(n) > 1})
            if doubled:
                raise LegendError(f"Level {self.number} has the {kind} {doubled[0]!r} twice.")

    def __len__(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the order of the ids."""
        return tuple(c.name for c in self.classes)

    @property
    def palette(self) -> dict[int, Colour]:
        """Colour of each id."""
        return {c.id: c.colour for c in self.classes}

    def find(self, name: str) -> LandCoverClass:
        """The class with this name, short name, alias or translation, whatever the case.

        Raises:
            LegendError: If there is none.
        """
        wanted = name.casefold()
        for c in self.classes:
            if wanted in {n.casefold() for n in (c.name, c.short, *c.aliases, *c.translations.values())}:
                return c
        raise LegendError(f"Level {self.number} has no class {name!r}: it has {', '.join(self.names)}.")


@dataclass(frozen=True)
class SourceCodes:
    """How the values of one source (a map of a year) become classes of the finest level.

    Attributes:
        name: The source and year, "terraclass-cerrado-2022".
        classes: Class id at the finest level for each code. Codes are integers (rasters) or texts (attributes).
        unlabelled: Codes that mean "no data" or "not observed": never a class.
    """

    name: str
    classes: Mapping[SourceCode, int]
    unlabelled: tuple[SourceCode, ...] = ()

    def __post_init__(self) -> None:
        """Raise `LegendError` if a code is a class and unlabelled at once."""
        both = [code for code in self.unlabelled if code in self.classes]
        if both:
            raise LegendError(f"Source {self.name!r} lists code {both[0]!r} as a class and as unlabelled.")

    @property
    def known(self) -> tuple[SourceCode, ...]:
        """Every code that the source may contain."""
        return (*self.classes, *self.unlabelled)


@dataclass(frozen=True)
class Legend:
    """The classes of a land-cover map at every level.

    Attributes:
        name: Identifier, also the name of its YAML file.
        title: Name for people.
        levels: From the coarsest (number 1) to the finest.
        sources: Source codes by source name.
        citation: Where the legend comes from.
    """

    name: str
    title: str
    levels: tuple[Level, ...]
    sources: Mapping[str, SourceCodes]
    citation: str = ""

    def __post_init__(self) -> None:
        """Check levels against each other and the sources against the finest level.

        Raises:
            LegendError: If numbers, parents or source codes do not fit.
        """
        numbers = [level.number for level in self.levels]
        if not numbers or numbers != list(range(1, len(numbers) + 1)):
            raise LegendError(f"Legend {self.name!r} has levels {numbers}: they must be 1, 2, ... from the coarsest.")
        if any(c.parent is not None for c in self.levels[0].classes):
            raise LegendError(f"Legend {self.name!r}: classes of level 1 have no parent.")
        for coarse, fine in zip(self.levels, self.levels[1:], strict=False):
            for c in fine.classes:
                if c.parent is None or not 0 <= c.parent < len(coarse):
                    raise LegendError(
                        f"Legend {self.name!r}: class {c.name!r} of level {fine.number} has parent {c.parent}; "
                        f"level {coarse.number} has ids 0 to {len(coarse) - 1}."
                    )
        for source in self.sources.values():
            for code, class_id in source.classes.items():
                if not 0 <= class_id < len(self.finest):
                    raise LegendError(
                        f"Legend {self.name!r}: source {source.name!r} maps code {code!r} to class {class_id}; "
                        f"level {self.finest.number} has ids 0 to {len(self.finest) - 1}."
                    )

    @property
    def finest(self) -> Level:
        """The most detailed level."""
        return self.levels[-1]

    def level(self, number: int | None = None) -> Level:
        """A level by its number, counted from coarse = 1; the finest by default.

        Raises:
            LegendError: If the legend has no such level.
        """
        if number is None:
            return self.finest
        if not 1 <= number <= len(self.levels):
            raise LegendError(
                f"Legend {self.name!r} has no level {number}: it has levels 1 to {len(self.levels)} "
                f"({', '.join(f'{level.number}: {len(level)} classes' for level in self.levels)})."
            )
        return self.levels[number - 1]

    def level_with(self, classes: int) -> Level:
        """The level that has this number of classes (the published folders are named by it).

        Raises:
            LegendError: If no level, or more than one, has it.
        """
        found = [level for level in self.levels if len(level) == classes]
        if len(found) != 1:
            sizes = ", ".join(str(len(level)) for level in self.levels)
            raise LegendError(f"Legend {self.name!r} has levels with {sizes} classes, not one level with {classes}.")
        return found[0]

    def source(self, name: str) -> SourceCodes:
        """The codes of a source.

        Raises:
            LegendError: If the legend does not know the source.
        """
        if name not in self.sources:
            known = ", ".join(self.sources) or "none"
            raise LegendError(
                f"Legend {self.name!r} has no source {name!r}: it has {known}. Add its codes to the YAML."
            )
        return self.sources[name]

    def lookup(self, from_level: int, to_level: int) -> LabelArray:
        """Table from class ids of one level to those of a coarser one.

        Args:
            from_level: The finer level.
            to_level: The coarser level.

        Returns:
            (256,) uint8: the coarser id at each finer id; 255 (unlabelled) everywhere else.

        Raises:
            LegendError: If `to_level` is not coarser: what is coarse already must not be mapped again.
        """
        fine, coarse = self.level(from_level), self.level(to_level)
        if to_level >= from_level:
            raise LegendError(
                f"Labels of level {from_level} cannot be mapped to level {to_level} of legend {self.name!r}: only to a "
                f"coarser level. Labels that are at level {to_level} already must not be mapped a second time."
            )
        table = np.full(256, UNLABELLED, np.uint8)
        for c in fine.classes:
            table[c.id] = self._ancestor(c, fine.number, coarse.number)
        return table

    def coarsen(self, labels: LabelArray, from_level: int, to_level: int) -> LabelArray:
        """Labels of a finer level as labels of a coarser one.

        Args:
            labels: Class ids of `from_level`, 255 = unlabelled, any shape.
            from_level: Level that `labels` are at.
            to_level: A coarser level.

        Returns:
            uint8 class ids of `to_level`, 255 = unlabelled, same shape.

        Raises:
            LegendError: If `to_level` is not coarser, or a value is no class of `from_level`.
        """
        self.check(labels, from_level)
        return np.asarray(self.lookup(from_level, to_level)[labels], dtype=np.uint8)

    def check(self, labels: LabelArray, level: int) -> None:
        """Raise `LegendError` if `labels` hold anything but classes of `level` and 255, naming value and count."""
        strange = self.strange_values(labels, level)
        if strange:
            values = ", ".join(f"{value} ({count} pixels)" for value, count in strange.items())
            raise LegendError(
                f"Labels hold {values}: level {level} of legend {self.name!r} has classes 0 to "
                f"{len(self.level(level)) - 1}, and 255 for unlabelled."
            )

    def strange_values(self, labels: LabelArray, level: int) -> dict[int, int]:
        """Pixel count of each value that is neither a class of `level` nor unlabelled."""
        if labels.size and int(labels.min()) >= 0 and int(labels.max()) < len(self.level(level)):
            return {}
        values, counts = np.unique(labels, return_counts=True)
        size = len(self.level(level))
        return {int(v): int(n) for v, n in zip(values, counts, strict=True) if not (0 <= v < size or v == UNLABELLED)}

    def tags(self, level: int) -> dict[str, str]:
        """Tags of a label raster of this level, so that it cannot be mapped twice by mistake."""
        return {
            LEGEND_TAG: self.name,
            LEVEL_TAG: str(level),
            "CERRADATA_CLASSES": "; ".join(f"{c.id}={c.name}" for c in self.level(level).classes),
        }

    def to_dict(self) -> dict[str, object]:
        """The legend as plain values, in the form of its YAML file."""
        return {
            "name": self.name,
            "title": self.title,
            "citation": self.citation,
            "levels": [{"classes": [_class_to_dict(c) for c in level.classes]} for level in self.levels],
            "sources": {
                source.name: {"codes": dict(source.classes), "unlabelled": list(source.unlabelled)}
                for source in self.sources.values()
            },
        }

    @cached_property
    def _parents(self) -> tuple[tuple[int | None, ...], ...]:
        return tuple(tuple(c.parent for c in level.classes) for level in self.levels)

    def _ancestor(self, c: LandCoverClass, level: int, to_level: int) -> int:
        class_id = c.id
        for number in range(level, to_level, -1):
            parent = self._parents[number - 1][class_id]
            if parent is None:  # the constructor has checked it; this is for the type checker
                raise LegendError(f"Class {c.name!r} has no parent at level {number - 1}.")
            class_id = parent
        return class_id


def _class_to_dict(c: LandCoverClass) -> dict[str, object]:
    plain: dict[str, object] = {"id": c.id, "name": c.name, "short": c.short, "colour": list(c.colour)}
    if c.parent is not None:
        plain["parent"] = c.parent
    if c.aliases:
        plain["aliases"] = list(c.aliases)
    if c.translations:
        plain["translations"] = dict(c.translations)
    return plain
