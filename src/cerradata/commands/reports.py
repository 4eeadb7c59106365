"""Commands that show: score and report."""

from cerradata.commands.show import Format, show_json, show_lines, show_scores
from cerradata.core.errors import ConfigError
from cerradata.core.locations import Location
from cerradata.legend import LegendName, load_legend
from cerradata.patches.store.remote import dataset_folder
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
        source: Folder of a dataset or of a run, or the URI of a packed dataset.
        out: The page; by default report.html in that folder. Of a dataset elsewhere it must be given.
    """
    from cerradata.evaluation.report import write_report  # it needs torch, which `score` shall not wait for

    if source.is_remote and out is None:
        raise ConfigError(
            f"{source} is not on this machine: say where to write its page, --out report.html for example."
        )
    folder = dataset_folder(source)
    page = write_report(folder, folder / "report.html" if out is None else out.path)
    show_lines([f"report: {page}"])
    return 0
