"""From raw satellite scenes and a reference map to a verified dataset, compared models and a map."""

__version__ = "0.1.0"
