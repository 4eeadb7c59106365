"""`Case`: a scene to be examined with what is known of it; `Standard`: what scenes are compared with."""

from dataclasses import dataclass, field
from functools import cached_property

from cerradata.scenes.doctor.sample import Sample, take_sample
from cerradata.scenes.metadata import ProductMetadata
from cerradata.scenes.radiometry import Radiometry
from cerradata.scenes.scene import Scene


@dataclass(frozen=True)
class Case:
    """A scene to be examined.

    Attributes:
        scene: The scene as it was declared.
        stated: What the product's own metadata say; empty where there are none.
        offset_declared: Whether anybody says which offset a Sentinel-2 scene has. If nobody does, it is opened with 0.
    """

    scene: Scene
    stated: ProductMetadata = field(default_factory=ProductMetadata)
    offset_declared: bool = True

    @property
    def name(self) -> str:
        """The scene's name."""
        return self.scene.name

    @property
    def radiometry(self) -> Radiometry:
        """The scene's radiometry."""
        return self.scene.radiometry

    @property
    def is_surface(self) -> bool:
        """Whether it is known to be surface reflectance: at the top of the atmosphere the air adds to blue as an offset."""
        level = self.radiometry.product_level or self.stated.product_level
        return level == "L2A" and self.stated.product_level in (None, "L2A") and "B10" not in self.scene.bands

    @cached_property
    def sample(self) -> Sample:
        """Sampled pixels, read when they are first asked for.

        Raises:
            SceneError: If a file cannot be read.
        """
        return take_sample(self.scene)


@dataclass(frozen=True)
class Standard:
    """A dataset or a run that scenes are compared with.

    Attributes:
        name: Its name.
        radiometry: Radiometry with quantiles of its layers.
        patches: Some of a dataset's patches as scenes; a run has none.
    """

    name: str
    radiometry: tuple[Radiometry, ...] = ()
    patches: tuple[Scene, ...] = ()

    def of_sensor(self, sensor: str) -> Radiometry | None:
        """The radiometry of a sensor, or None."""
        return next((r for r in self.radiometry if r.sensor == sensor), None)
