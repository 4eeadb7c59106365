"""Confusion matrices and the scores that follow from them: pure NumPy functions."""
