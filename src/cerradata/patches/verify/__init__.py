"""Is a dataset whole, and is every file what it should be?"""

from cerradata.patches.verify.dataset import verify_dataset
from cerradata.patches.verify.problem import Kind, Problem

__all__ = ["Kind", "Problem", "verify_dataset"]
