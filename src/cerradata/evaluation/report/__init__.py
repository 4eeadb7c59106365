"""One self-contained HTML page of a dataset or of a run."""

from cerradata.evaluation.report.write import write_report

__all__ = ["write_report"]
