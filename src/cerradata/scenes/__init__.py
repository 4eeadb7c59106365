"""Raw products read as rasters with named bands, units and validity."""

from cerradata.scenes.band_file import BandFile
from cerradata.scenes.open import open_scene
from cerradata.scenes.radiometry import Radiometry, SarUnit
from cerradata.scenes.scene import Scene
from cerradata.scenes.source import SceneSource

__all__ = ["BandFile", "Radiometry", "SarUnit", "Scene", "SceneSource", "open_scene"]
