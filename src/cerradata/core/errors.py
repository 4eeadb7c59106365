"""The errors that users see.

A message says what is wrong, in which file, the value found, what is allowed and what to do next.
"""


class CerradataError(Exception):
    """Base class of every error that this package raises on purpose."""


class ConfigError(CerradataError):
    """A configuration contradicts itself or asks for something that does not exist."""


class LegendError(CerradataError):
    """A legend file is wrong, or labels do not fit the legend."""


class SceneError(CerradataError):
    """A scene cannot be read as what it was declared to be."""


class DamagedSceneError(SceneError):
    """A file of a scene is damaged: nothing in its declaration is wrong."""


class LabelError(CerradataError):
    """A reference map cannot be turned into labels."""


class DatasetError(CerradataError):
    """A dataset on disk is incomplete, damaged or not what the caller asked for."""


class OutputError(CerradataError):
    """Output cannot be written: taken, no space or no permission."""


class NoSpaceError(OutputError):
    """A disk is full."""


class BuildError(CerradataError):
    """A build cannot go on, though neither its configuration nor its input is wrong."""


class RunError(CerradataError):
    """A run folder is incomplete, or is used in a way that would give dishonest figures."""
