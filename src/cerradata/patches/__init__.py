"""The dataset on disk: cut, select, write, index, verify, split, statistics."""
