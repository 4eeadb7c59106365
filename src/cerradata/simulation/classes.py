"""The classes of the truth: ids of the finest level of the legend CerraData-4MM, by name."""

from enum import IntEnum
from typing import Final

LEGEND: Final = "cerradata-4mm"
CODES: Final = "terraclass-cerrado-2022"


class Cover(IntEnum):
    """Level 2 of CerraData-4MM."""

    PASTURE = 0
    PRIMARY = 1
    SECONDARY = 2
    WATER = 3
    MINING = 4
    URBAN = 5
    OTHER_BUILT = 6
    FORESTRY = 7
    PERENNIAL = 8
    SEMI_PERENNIAL = 9
    ONE_CYCLE = 10
    MORE_CYCLES = 11
    OTHER_USES = 12
    DEFORESTATION = 13
