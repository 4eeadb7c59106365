"""The run folder: schema, reading, writing. Imports no torch."""

from cerradata.runs.folder import RunFolder
from cerradata.runs.record import ModelRecord, RunRecord, hash_of_ids

__all__ = ["ModelRecord", "RunFolder", "RunRecord", "hash_of_ids"]
