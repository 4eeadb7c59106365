"""Losses, the Lightning module, one training from dataset to run folder."""
