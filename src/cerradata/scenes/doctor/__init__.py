"""What is wrong with scenes, by its name: numbers, bands, places compared with what is plausible and with each other."""

from cerradata.scenes.doctor.case import Case, Standard
from cerradata.scenes.doctor.examine import examine, unreadable
from cerradata.scenes.doctor.finding import Fault, Finding

__all__ = ["Case", "Fault", "Finding", "Standard", "examine", "unreadable"]
