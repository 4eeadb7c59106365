"""Random draws keyed on what they are for, never on order, batch, worker or process."""

from hashlib import blake2b

import numpy as np


def generator(seed: int, epoch: int, key: int, purpose: str) -> np.random.Generator:
    """A generator of its own for each (seed, epoch, key, purpose).

    The same four give the same numbers on every machine, in every process and in any order of calls; if one of them
    differs, the numbers are independent.

    Args:
        seed: Of the training.
        epoch: Counted from 0.
        key: What the draw is about, mostly the id of a patch.
        purpose: Name of the step that draws ("crop", "order"), so that steps do not share their numbers, and switching one
            on does not change another.
    """
    # SeedSequence would join the words of several integers without marks between them, so that (1, 2**32) and (1 + 2**64, 0)
    # could meet; a digest of the text cannot.
    digest = blake2b(f"{seed}/{epoch}/{key}/{purpose}".encode(), digest_size=16).digest()
    sequence = np.random.SeedSequence(int.from_bytes(digest, "little"))
    return np.random.Generator(np.random.Philox(sequence))
