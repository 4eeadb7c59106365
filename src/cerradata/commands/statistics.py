"""The command that shows what a dataset's tables say: stats."""

from collections.abc import Mapping
from typing import Any

from cerradata.commands.show import Format, show_json, show_lines, show_simulated, show_table
from cerradata.core.locations import Location
from cerradata.core.types import SPLITS
from cerradata.evaluation.plots import plot_class_distribution, save_figure
from cerradata.patches.class_weights import inverse_frequency
from cerradata.patches.index import class_counts, lacking, read_index
from cerradata.patches.info import DatasetInfo
from cerradata.patches.store.remote import dataset_folder


def stats(
    directory: Location,
    *,
    out: Location | None = None,
    format: Format = "text",
) -> int:
    """Show band statistics, class distribution and class weights of a dataset.

    Args:
        directory: Folder of the dataset, or the URI of a packed one.
        out: Folder for a plot of the class distribution of each level.
        format: text or json.
    """
    root = dataset_folder(directory)
    info, table = DatasetInfo.read(root), read_index(root)
    found = dataset_statistics(info, table)
    if format == "json":
        show_json(found)
    else:
        _show_statistics(info, found)
    if out is not None:
        splits = [s for s in SPLITS if (table["split"] == s).any()]
        for number in info.labels:
            counts: dict[str, list[int]] = {s: class_counts(table, number, split=s).tolist() for s in splits}
            counts = counts or {"all": class_counts(table, number).tolist()}
            path = out.path / f"classes_level_{number}.png"
            save_figure(plot_class_distribution(info.legend.level(number), counts), path)
            if format == "text":
                show_lines([f"plot: {path}"])
    return 0


def dataset_statistics(info: DatasetInfo, table: Any) -> dict[str, Any]:  # noqa: ANN401 - a GeoDataFrame
    """Band statistics by band, and pixels, objects and inverse-frequency weights of each level's classes."""
    classes = {}
    for number in info.labels:
        level = info.legend.level(number)
        pixels, objects = class_counts(table, number), class_counts(table, number, what="objects")
        weights = inverse_frequency(pixels)
        classes[str(number)] = [
            {
                "id": c.id,
                "name": c.name,
                "pixels": int(pixels[c.id]),
                "objects": int(objects[c.id]),
                "weight": float(weights[c.id]),
            }
            for c in level.classes
        ]
    bands = {band: dict(values) for layer in info.layers.values() for band, values in layer.statistics.items()}
    splits = {s: int((table["split"] == s).sum()) for s in SPLITS}
    found = {"patches": info.patches, "splits": splits, "bands": bands, "classes": classes}
    if info.optional:
        found["lacks"] = count_lacks(info, table)
    return {**found, "simulated": list(info.simulated)} if info.simulated else found


def count_lacks(info: DatasetInfo, table: Any) -> dict[str, int]:  # noqa: ANN401 - a GeoDataFrame
    """Number of patches that lack each layer that a patch may lack."""
    absent = lacking(table)
    return {layer: len(absent.get(layer, ())) for layer in info.optional}


def show_lacks(lacks: Mapping[str, int]) -> None:
    """A line that says how many patches lack each layer; nothing where none may."""
    if lacks:
        show_lines(["patches that lack a layer: " + ", ".join(f"{layer} {count:,}" for layer, count in lacks.items())])


def _show_statistics(info: DatasetInfo, found: dict[str, Any]) -> None:
    show_simulated(info.simulated)
    show_lacks(found.get("lacks", {}))
    keys = ("mean", "std", "min", "max")
    show_table(
        f"{info.name}: stored numbers by band",
        ("band", *keys),
        ((band, *(f"{values[key]:,.4g}" for key in keys)) for band, values in found["bands"].items()),
    )
    for number, classes in found["classes"].items():
        total = max(sum(c["pixels"] for c in classes), 1)
        show_table(
            f"Level {number}",
            ("class", "pixels", "share", "objects", "inverse-frequency weight"),
            (
                (c["name"], f"{c['pixels']:,}", f"{c['pixels'] / total:.3%}", f"{c['objects']:,}", f"{c['weight']:.4g}")
                for c in classes
            ),
        )
