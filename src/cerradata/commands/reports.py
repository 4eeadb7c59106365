"""Commands that show: score and report."""

from cerradata.commands.show import Format, show_json, show_lines, show_scores
from cerradata.core.locations import Location
from cerradata.legend import LegendName, load_legend
from cerradata.scores import read_confusion, score_confusion


def score(
    confusion: Location,
    *,
    legend: LegendName | None = None,
    level: int | None = None,
    format: Format = "text",
) -> int:
    """Compute every score of a confusion matrix.

    Args:
        confusion: CSV file, rows truth, columns prediction, a header and a first column with ids or names.
        legend: Legend whose class names to show.
        level: Its level, counted from coarse = 1; the finest by default.
        format: text or json (figures in percent).
    """
    names, matrix = read_confusion(confusion.path)
    if legend is not None:
        names = load_legend(legend).level(level).names
    scores = score_confusion(matrix, names)
    if format == "json":
        show_json(scores.to_dict())
    else:
        show_scores(scores, confusion.name)
    return 0


def report(source: Location, *, out: Location | None = None) -> int:
    """Write one self-contained HTML page of a dataset or a run.

    Args:
        source: Folder of a dataset or of a run.
        out: The page; by default report.html in that folder.
    """
    from cerradata.evaluation.report import write_report  # it needs torch, which `score` shall not wait for

    page = write_report(source.path, source.path / "report.html" if out is None else out.path)
    show_lines([f"report: {page}"])
    return 0
