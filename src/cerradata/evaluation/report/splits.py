"""The splits of a dataset and what their certificate says."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd

from cerradata.core.errors import DatasetError
from cerradata.core.types import SPLITS
from cerradata.evaluation.report.page import Fact, count, listed
from cerradata.patches.certificate import PAIRS
from cerradata.patches.layout import CERTIFICATE_FILE
from cerradata.patches.split import split_hash


@dataclass(frozen=True)
class PairRow:
    """Two splits in a table.

    Attributes:
        pair: Their names.
        distance_m: Least distance in metres between their patches; None where it is not known.
        shared_pixels: Pixels that both cover; None where it is not known.
    """

    pair: str
    distance_m: float | None
    shared_pixels: int | None


@dataclass(frozen=True)
class CertificateView:
    """A certificate on a page.

    Attributes:
        facts: Strategy, seed, blocks, whether the test split is the published one, and the like.
        pairs: The pairs of splits.
        cautions: What to be careful about.
        hash: Hash of the assignment.
        stale: Whether the index holds another assignment than the certified one.
    """

    facts: tuple[Fact, ...]
    pairs: tuple[PairRow, ...]
    cautions: tuple[str, ...]
    hash: str
    stale: bool

    @property
    def clean(self) -> bool:
        """Whether it is known that no pixel is in two splits, with nothing to be careful about."""
        return not self.stale and not self.cautions and all(pair.shared_pixels == 0 for pair in self.pairs)


def patches_by_split(index: gpd.GeoDataFrame) -> dict[str, int]:
    """Patches of each split, and "left out"; empty if the dataset has no splits."""
    if index["split"].isna().all():
        return {}
    found = {name: int((index["split"] == name).sum()) for name in SPLITS}
    return found | {"left out": len(index) - sum(found.values())}


def read_certificate(root: Path, index: gpd.GeoDataFrame) -> CertificateView | None:
    """The certificate of a dataset's split, or None if there is none.

    Args:
        root: The dataset's folder.
        index: Its index, to see whether the certificate is of the splits in it.

    Raises:
        DatasetError: If the file cannot be read as a certificate.
    """
    path = root / CERTIFICATE_FILE
    if not path.is_file():
        return None
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        return _view(plain, split_hash(index["id"], index["split"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(
            f"{path} is no certificate of a split ({error!r}): run `cerradata split {root}` again."
        ) from error


def _view(plain: Mapping[str, Any], own_hash: str) -> CertificateView:
    return CertificateView(
        facts=tuple(_facts(plain)),
        pairs=tuple(PairRow(pair, plain["least_distance_m"][pair], plain["shared_pixels"][pair]) for pair in PAIRS),
        cautions=tuple(plain["notes"]),
        hash=plain["hash"],
        stale=plain["hash"] != own_hash,
    )


def _facts(plain: Mapping[str, Any]) -> list[Fact]:
    strategy = plain["strategy"]
    reach = plain["autocorrelation_range_m"]
    facts = [Fact("Strategy", "not known" if strategy is None else strategy)]
    if plain["seed"] is not None:
        facts.append(Fact("Seed", str(plain["seed"])))
    if plain["block_size_m"] is not None:
        facts.append(Fact("Blocks", f"{plain['block_size_m']:,g} m"))
    if plain["buffer_m"] is not None:
        facts.append(Fact("Buffer", f"{plain['buffer_m']:,g} m"))
    duplicates = plain["duplicates"]
    facts.append(Fact("Duplicates across splits", "not known" if duplicates is None else count(duplicates)))
    known = "not known" if reach is None else f"{reach:,g} m"
    facts.append(Fact("Labels resemble each other over", known, plain["autocorrelation_note"]))
    uncoverable = [support["name"] for support in plain["classes"] if not support["coverable"]]
    if uncoverable:
        facts.append(Fact("Cannot be in all three splits", listed(list(dict.fromkeys(uncoverable)))))
    facts.append(Fact("Published test set", plain["published_test_set"], plain["published_reason"]))
    return facts
