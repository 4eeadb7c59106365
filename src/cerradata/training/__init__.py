"""Losses, the Lightning module, one training from dataset to run folder."""

from cerradata.training.config import TrainConfig
from cerradata.training.train import TrainOptions, train
from cerradata.training.weights import load_run

__all__ = ["TrainConfig", "TrainOptions", "load_run", "train"]
