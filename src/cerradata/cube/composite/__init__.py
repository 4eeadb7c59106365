"""Several scenes of one place become one image, and it stays known what each pixel came from."""

from collections.abc import Sequence

from odc.geo.geobox import GeoBox

from cerradata.cube.composite.config import CompositeConfig, CompositeMethod
from cerradata.cube.composite.first import first_valid
from cerradata.cube.composite.image import SEVERAL, Composite
from cerradata.cube.composite.statistics import reduce_scenes
from cerradata.cube.resample import MeasurementResampling
from cerradata.scenes import Scene

__all__ = ["SEVERAL", "Composite", "CompositeConfig", "CompositeMethod", "compose", "first_valid"]


def compose(
    scenes: Sequence[Scene],
    bands: Sequence[str],
    window: GeoBox,
    method: CompositeMethod,
    *,
    resampling: MeasurementResampling = "bilinear",
    count: bool = False,
) -> Composite:
    """One window of the target grid from several scenes of one sensor.

    Args:
        scenes: In the order of preference (`config.ordered`).
        bands: Bands to take; every scene has them.
        window: The window, as a grid.
        method: How several observations become one value.
        resampling: Kernel.
        count: Count the observations of each pixel, also where the method needs none but the first.

    Raises:
        SceneError: If a file cannot be read.
    """
    match method:
        case "mean" | "median" | "medoid":
            return reduce_scenes(scenes, bands, window, method, resampling=resampling)
        case _:
            return first_valid(scenes, bands, window, resampling, count=count)
