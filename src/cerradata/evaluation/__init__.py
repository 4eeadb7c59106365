"""Accuracy of runs, baselines, plots and reports."""
