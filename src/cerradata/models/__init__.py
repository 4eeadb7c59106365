"""Networks, nothing else."""

from cerradata.models.factory import MODELS, create_model

__all__ = ["MODELS", "create_model"]
