"""Scores against a reference other than the dataset's own labels: a better map, or the truth of a simulated area."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from cerradata.core.errors import DatasetError
from cerradata.core.types import LabelArray
from cerradata.evaluation.testing import ScoreOptions, content_hashes, open_split, predict_split
from cerradata.labels import Reference, ReferenceSource, open_reference
from cerradata.legend import Legend
from cerradata.patches.index import read_index
from cerradata.patches.info import DatasetInfo
from cerradata.runs import RunFolder
from cerradata.scores.confusion import confusion_matrix
from cerradata.scores.scores import Scores, score_confusion
from cerradata.training import load_run


@dataclass(frozen=True)
class IndependentLabels:
    """Labels of a dataset's patches from another reference.

    Attributes:
        places: Grid of each patch by its id.
        reference: Where the labels come from.
        legend: Their legend.
        level: Level to which they are brought.
    """

    places: dict[int, GeoBox]
    reference: Reference
    legend: Legend
    level: int

    @staticmethod
    def open(data: Path, source: ReferenceSource, level: int) -> "IndependentLabels":
        """Open a reference for the patches of a dataset.

        Args:
            data: The dataset's folder.
            source: The reference; its codes are those of a source of the dataset's legend.
            level: Level of the labels.

        Raises:
            DatasetError: If the patches have no georeference.
            LabelError: If the reference cannot be read.
        """
        info, index = DatasetInfo.read(data), read_index(data)
        if index["crs"].isna().any():
            raise DatasetError(
                f"{data}: its patches have no georeference, so that another reference cannot be laid over them."
            )
        size = (info.patch_size, info.patch_size)
        places = {
            int(patch_id): GeoBox(size, Affine(*transform), crs)
            for patch_id, transform, crs in zip(index["id"], index["transform"], index["crs"], strict=True)
        }
        return IndependentLabels(places, open_reference(source, info.legend), info.legend, level)

    def read(self, patch_id: int) -> LabelArray:
        """Labels of a patch: (rows, columns) uint8 class ids of `level`, 255 = unlabelled."""
        labels = self.reference.read(self.places[patch_id])
        finest = self.legend.finest.number
        return labels if self.level == finest else self.legend.coarsen(labels, finest, self.level)


def score_on_reference(
    run: RunFolder, data: Path, source: ReferenceSource, options: ScoreOptions | None = None
) -> Scores:
    """Score a run on the patches of a split, against another reference than the one that labelled them.

    Nothing is written. Objects are not counted.

    Args:
        run: The run.
        data: The dataset's folder.
        source: The reference.
        options: Split, batch size, device.

    Raises:
        RunError: If patches of the split were seen in training, or the dataset does not fit the run.
        DatasetError: If the dataset cannot be read or has no georeference.
        LabelError: If the reference cannot be read.
    """
    options = options or ScoreOptions()
    record, network = load_run(run)
    dataset = open_split(record, data, options.split)
    if options.split == "test":
        record.require_unseen(content_hashes(data, dataset.ids))
    labels = IndependentLabels.open(data, source, record.level)
    classes = len(dataset.level)
    matrix = np.zeros((classes, classes), np.int64)
    for ids, _, _, prediction in predict_split(network, dataset, options):
        matrix += confusion_matrix(np.stack([labels.read(i) for i in ids]), prediction, classes)
    return score_confusion(matrix, dataset.level.names)
