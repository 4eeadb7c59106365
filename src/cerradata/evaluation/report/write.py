"""`write_report`: what the folder is, and the page that fits it."""

from pathlib import Path

from cerradata.core.errors import CerradataError, OutputError
from cerradata.core.files import write_text
from cerradata.evaluation.report.dataset_page import dataset_page
from cerradata.evaluation.report.run_page import run_page
from cerradata.patches.layout import INDEX_FILE, INFO_FILE
from cerradata.runs.folder import RECORD_FILE, UNFINISHED_FILE


def write_report(source: Path, out: Path) -> Path:
    """Write the report of a dataset or of a run as one HTML file.

    Styles and pictures are inside the file, and it loads nothing from anywhere. The same folder gives the same bytes.

    Args:
        source: Folder of a dataset (with `dataset.json` and `index.parquet`) or of a run (with `run.json`).
        out: The HTML file. It is replaced if it exists.

    Returns:
        `out`.

    Raises:
        CerradataError: If `source` is neither, or a file in it is damaged.
        OutputError: If `out` cannot be written.
    """
    if out.is_dir():
        raise OutputError(
            f"{out} is a folder, a file was expected: give the name of an HTML file, {out / 'report.html'}."
        )
    write_text(out, _page(source))
    return out


def _page(source: Path) -> str:
    if not source.is_dir():
        what = "is a file" if source.exists() else "does not exist"
        raise CerradataError(f"{source} {what}: give the folder of a dataset or of a run.")
    if (source / INFO_FILE).is_file():
        return dataset_page(source)
    if any((source / name).is_file() for name in (RECORD_FILE, UNFINISHED_FILE)):
        return run_page(source)
    raise CerradataError(
        f"{source} is neither a dataset (it has no {INFO_FILE} with {INDEX_FILE}) nor a run (it has no {RECORD_FILE}). For "
        f"a copy of a dataset that lacks these files, run `cerradata index {source}` first."
    )
