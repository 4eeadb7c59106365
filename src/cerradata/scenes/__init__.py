"""Raw products read as rasters with named bands, units and validity."""

from cerradata.scenes.radiometry import Radiometry, SarUnit
from cerradata.scenes.scene import BandFile, Scene
from cerradata.scenes.source import SceneSource, open_scene

__all__ = ["BandFile", "Radiometry", "SarUnit", "Scene", "SceneSource", "open_scene"]
