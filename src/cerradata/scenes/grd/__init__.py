"""Sentinel-1 GRD products as they are distributed: calibrated, without thermal noise, on a north-up grid, read lazily."""

from cerradata.scenes.grd.band import GrdBand, incidence_angle
from cerradata.scenes.grd.open import is_grd, open_grd

__all__ = ["GrdBand", "incidence_angle", "is_grd", "open_grd"]
