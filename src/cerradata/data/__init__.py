"""Dataset on disk to tensors."""
