"""`index_copy`: index and `dataset.json` for a copy that lacks them, the published download for example."""

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cerradata.core.errors import ConfigError, DatasetError, OutputError
from cerradata.core.progress import track
from cerradata.core.types import Array
from cerradata.legend import Legend, LegendName, load_legend
from cerradata.patches.index import make_index, write_index
from cerradata.patches.info import DatasetInfo, LayerInfo
from cerradata.patches.layout import (
    IMAGE_LAYERS,
    INDEX_FILE,
    INFO_FILE,
    JOURNAL_FILE,
    SENSOR_LAYERS,
    Layout,
    discover,
    semantic_layer,
)
from cerradata.patches.record import PatchRecord, Placement, describe_patch, valid_share
from cerradata.patches.statistics import Moments
from cerradata.patches.store.form import LOCATION_FILE, STORE_FOLDER
from cerradata.patches.stored import read_layer
from cerradata.patches.summary import layer_quantiles
from cerradata.scenes import Radiometry, SarUnit
from cerradata.scenes.bands import ELEVATION, MSI_BANDS, SENTINEL1, SENTINEL2

_SEMANTIC = re.compile(r"semantic_(\d+)c")
DEFAULT_LEGEND = LegendName("cerradata-4mm")
_BANDS_BY_COUNT = {12: MSI_BANDS, 13: tuple(SENTINEL2)}


@dataclass(frozen=True)
class CopyFacts:
    """What the files of a copy do not say. The defaults are those of the published CerraData-4MM.

    Attributes:
        legend: Name of a shipped legend, or the path of a legend file.
        name: Name of the dataset; by default the folder's.
        msi_bands: Bands of the MSI files in order; by default the 12 of L2A, or the 13 of L1C.
        msi_offset: Number that was added to reflectance x 10000.
        sar_unit: Unit of the SAR files.
        attribution: Licences and attributions of the data.
        may_lack: Image layers that a patch may lack (msi, sar, elevation). Each patch has an image of msi or of sar, and labels.
    """

    legend: LegendName = DEFAULT_LEGEND
    name: str | None = None
    msi_bands: tuple[str, ...] | None = None
    msi_offset: int = 1000
    sar_unit: SarUnit = "amplitude"
    attribution: tuple[str, ...] = ()
    may_lack: tuple[str, ...] = ()


def index_copy(
    root: Path, facts: CopyFacts | None = None, *, workers: int = 2, overwrite: bool = False, quiet: bool = False
) -> DatasetInfo:
    """Make `index.parquet` and `dataset.json` for a copy. No image is changed; split folders become the splits.

    Args:
        root: The copy.
        facts: What the files do not say.
        workers: Threads that read.
        overwrite: Replace an index that is there.
        quiet: Show no progress.

    Returns:
        What `dataset.json` says.

    Raises:
        ConfigError: If a layer that a patch may lack is no image layer of the copy.
        DatasetError: If files are missing, unpaired or unreadable (run `verify` for the whole list), or if the patches are
            packed and there are no GeoTIFFs.
        OutputError: If there is an index already and `overwrite` is not given, or it is an unfinished build.
    """
    facts = facts or CopyFacts()
    _refuse_packed(root)
    _refuse_taken(root, overwrite=overwrite)
    simulated = _simulated(root)
    legend = load_legend(facts.legend)
    layout = discover(root)
    levels = labelled_levels(layout, legend)
    _require_whole(layout, facts.may_lack)
    layers = copy_radiometries(layout, facts)

    def describe(patch_id: int) -> tuple[PatchRecord, dict[str, Moments], int]:
        return _describe(layout, layers, legend, levels, patch_id)

    with ThreadPoolExecutor(max(1, workers)) as pool:
        described = list(
            track(pool.map(describe, layout.ids), what="Reading patches", total=len(layout.ids), quiet=quiet)
        )
    patch_size = _one_size({record.id: size for record, _, size in described})
    records = [record for record, _, _ in described]
    if facts.may_lack:
        lacks = layout.missing(list(layers))
        records = [replace(record, lacks=tuple(lacks.get(record.id, ()))) for record in records]
    index = make_index(records, patch_size)
    index["split"] = index["id"].map(layout.splits).astype("object").where(index["id"].isin(layout.splits), None)
    write_index(root, index)
    info = DatasetInfo(
        name=facts.name or root.resolve().name,
        legend=legend,
        patch_size=patch_size,
        patches=len(index),
        layers={
            name: replace(
                _layer_info(layout, name, radiometry, [own[name] for _, own, _ in described if name in own]),
                optional=name in facts.may_lack,
            )
            for name, radiometry in layers.items()
        },
        labels=levels,
        provenance={"simulated": simulated} if simulated else {},
        attribution=facts.attribution,
    )
    info.write(root)
    return info


def labelled_levels(layout: Layout, legend: Legend) -> tuple[int, ...]:
    """Levels of the legend that have label files, coarse to fine.

    Raises:
        DatasetError: If there are none.
        LegendError: If a label folder's number of classes is that of no level.
    """
    sizes = [int(found.group(1)) for found in map(_SEMANTIC.fullmatch, layout.files) if found]
    if not sizes:
        raise DatasetError(
            f"{layout.root} has no label folder (semantic_<n>c): it has {', '.join(sorted(layout.files))}."
        )
    return tuple(sorted(legend.level_with(size).number for size in sizes))


def _describe(
    layout: Layout, layers: dict[str, Radiometry], legend: Legend, levels: Sequence[int], patch_id: int
) -> tuple[PatchRecord, dict[str, Moments], int]:
    pixels: dict[str, Array] = {}
    placement = Placement(patch_id)
    for layer in sorted(layer for layer, paths in layout.files.items() if patch_id in paths):
        path = layout.path(layer, patch_id)
        pixels[layer], crs, transform = read_layer(path)
        if crs is not None and placement.crs is None:
            placement = Placement(patch_id, crs=crs, transform=transform)
        height, width = pixels[layer].shape[1:]
        if height != width or width != pixels[min(pixels)].shape[2]:
            raise DatasetError(
                f"{path} has {height} x {width} pixels: a patch is square, and all of its layers have one size. Run "
                f"`cerradata verify {layout.root}`."
            )
    own = {name: radiometry for name, radiometry in layers.items() if name in pixels}
    for name, radiometry in own.items():
        if len(pixels[name]) != len(radiometry.bands):
            raise DatasetError(
                f"{layout.path(name, patch_id)} has {len(pixels[name])} bands, {len(radiometry.bands)} were expected "
                f"({', '.join(radiometry.bands)}): give the bands with --msi_bands."
            )
    for level in levels:
        labels = pixels[semantic_layer(legend.level(level))]
        strange = legend.strange_values(labels, level)
        if strange:
            raise DatasetError(
                f"{layout.path(semantic_layer(legend.level(level)), patch_id)} holds "
                f"{', '.join(f'{v} ({n} pixels)' for v, n in strange.items())}: level {level} of legend {legend.name!r} has "
                f"0 to {len(legend.level(level)) - 1} and 255. Is it the right legend?"
            )
    nodata = {name: radiometry.nodata for name, radiometry in own.items()}
    moments = {name: Moments.of(pixels[name], nodata[name]) for name in own}
    valid = valid_share({name: pixels[name] for name in nodata}, nodata)
    record = describe_patch(placement, pixels, valid, legend, tuple(levels))
    return record, moments, pixels[semantic_layer(legend.level(levels[0]))].shape[-1]


def copy_radiometries(layout: Layout, facts: CopyFacts) -> dict[str, Radiometry]:
    """Radiometry of each image layer of a copy, from what is declared and the number of bands.

    Raises:
        DatasetError: If there are no images, or a number of bands that needs a declaration.
    """
    layers = {}
    if "msi" in layout.files:
        layers["msi"] = Radiometry(
            sensor="sentinel-2",
            bands=facts.msi_bands or _msi_bands(layout),
            unit="reflectance",
            scale=1e-4,
            offset=-facts.msi_offset * 1e-4,
            nodata=0.0,
        )
    if "sar" in layout.files:
        layers["sar"] = Radiometry(sensor="sentinel-1", bands=tuple(SENTINEL1), unit=facts.sar_unit)
    if "elevation" in layout.files:
        layers["elevation"] = Radiometry(sensor="elevation", bands=tuple(ELEVATION), unit="metre")
    if not layers:
        raise DatasetError(f"{layout.root} has no images: it has {', '.join(sorted(layout.files))}.")
    return layers


def _msi_bands(layout: Layout) -> tuple[str, ...]:
    path = next(iter(layout.files["msi"].values()))
    count = len(read_layer(path)[0])
    if count not in _BANDS_BY_COUNT:
        raise DatasetError(f"{path} has {count} bands: say which they are, in order (--msi_bands).")
    return _BANDS_BY_COUNT[count]


def _layer_info(layout: Layout, name: str, radiometry: Radiometry, moments: list[Moments]) -> LayerInfo:
    bands = radiometry.bands
    path = next(iter(layout.files[name].values()))
    quantiles = layer_quantiles(layout, name, bands, sorted(layout.files[name]), radiometry.nodata)
    total = sum(moments, Moments.empty(len(bands)))
    return LayerInfo(
        path.parent.name,
        np.dtype(read_layer(path)[0].dtype).name,
        radiometry.with_quantiles(quantiles),
        total.statistics(bands),
    )


def _simulated(root: Path) -> list[str]:
    """What the `dataset.json` that is replaced says of a simulation: no new index makes simulated data real."""
    try:
        return list(DatasetInfo.read(root).simulated)
    except DatasetError:  # there is none, or it is damaged: the reason to make it anew
        return []


def _refuse_packed(root: Path) -> None:
    """A store alone is read through its index, so no index can be made from it."""
    if not ((root / STORE_FOLDER).is_dir() or (root / LOCATION_FILE).is_file()):
        return
    try:
        discover(root)
    except DatasetError as error:
        raise DatasetError(
            f"{root} is packed, and its index is that of its patches: there is nothing to index. To make another index, run "
            f"`cerradata unpack` and index the GeoTIFFs that it writes."
        ) from error


def _refuse_taken(root: Path, *, overwrite: bool) -> None:
    if (root / JOURNAL_FILE).exists() and not (root / INFO_FILE).exists():
        raise OutputError(f"{root} is an unfinished build: run the same `cerradata build` again and it goes on.")
    taken = [name for name in (INDEX_FILE, INFO_FILE) if (root / name).exists()]
    if taken and not overwrite:
        raise OutputError(f"{root} has {' and '.join(taken)} already: give --overwrite to make them anew.")


def _require_whole(layout: Layout, may_lack: Sequence[str]) -> None:
    images = [name for name in IMAGE_LAYERS if layout.files.get(name)]
    strange = sorted(set(may_lack) - set(images))
    if strange:
        raise ConfigError(
            f"may_lack: {layout.root} has no images of {strange[0]!r} that some patches could lack: it has "
            f"{', '.join(images) or 'none'}. No patch may lack labels or edges."
        )
    absent = layout.missing()
    missing = {i: [layer for layer in layers if layer not in may_lack] for i, layers in absent.items()}
    examples = [*layout.problems, *(f"patch {i} has no {', '.join(own)}" for i, own in missing.items() if own)]
    if examples:
        images_missing = {layer for layers in missing.values() for layer in layers} & set(images)
        declared = sorted({*may_lack, *images_missing})
        advice = f" Where patches rightly lack images, say so: --may_lack '[{', '.join(declared)}]'."
        raise DatasetError(
            f"{layout.root} is not whole: {'; '.join(examples[:3])}{' ...' if len(examples) > 3 else ''} "
            f"({len(examples)} problems). Run `cerradata verify {layout.root}` for the list, and mend or remove them."
            f"{advice if images_missing else ''}"
        )
    unseen = [i for i in absent if not any(i in layout.files.get(sensor, {}) for sensor in SENSOR_LAYERS)]
    if unseen:
        raise DatasetError(
            f"{layout.root}: patch {unseen[0]} has no image of {' or '.join(SENSOR_LAYERS)} ({len(unseen)} such patches). A "
            "patch may lack one of them, not both: remove its labels and other files, or fetch its images."
        )


def _one_size(sizes: dict[int, int]) -> int:
    values = sorted(set(sizes.values()))
    if len(values) > 1:
        odd = min(values, key=list(sizes.values()).count)
        example = next(i for i, size in sizes.items() if size == odd)
        raise DatasetError(f"Patches have different sizes ({values}): patch {example} has {odd} pixels. Run verify.")
    return values[0]
