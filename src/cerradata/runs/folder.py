"""`RunFolder`: where the files of a run lie, and whether they are all there."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from cerradata import __version__
from cerradata.core.errors import RunError
from cerradata.core.files import claim_folder, write_json, write_text
from cerradata.legend import Legend
from cerradata.runs.record import RunRecord

RECORD_FILE = "run.json"
CONFIG_FILE = "config.yaml"
LEGEND_FILE = "legend.yaml"
UNFINISHED_FILE = "unfinished-run.json"
WEIGHTS_FILE = "weights.safetensors"


@dataclass(frozen=True)
class RunFolder:
    """The files of a run. `run.json` is written last: a run that has it is whole.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def weights(self) -> Path:
        """Weights of the epoch with the best validation score (safetensors: loading them runs no code)."""
        return self.path / WEIGHTS_FILE

    @property
    def logs(self) -> Path:
        """Logs of the training: `metrics.csv` and TensorBoard's."""
        return self.path / "logs"

    @property
    def plots(self) -> Path:
        """Figures."""
        return self.path / "plots"

    @property
    def checkpoints(self) -> Path:
        """State of an unfinished training, to go on with; removed when it is finished."""
        return self.path / "checkpoints"

    @property
    def metrics(self) -> Path:
        """Losses and scores, one row an epoch."""
        return self.logs / "metrics.csv"

    @property
    def attempts(self) -> Path:
        """Logs of an unfinished training, one folder each time that it was begun or resumed."""
        return self.logs / "attempts"

    def scores(self, split: str) -> Path:
        """Scores on a split, as JSON."""
        return self.path / f"scores_{split}.json"

    def confusion(self, split: str) -> Path:
        """Confusion matrix of a split, as CSV."""
        return self.path / f"confusion_{split}.csv"

    @staticmethod
    def create(
        path: Path, *, config: dict[str, Any], legend: Legend, overwrite: bool, patches: str = ""
    ) -> "RunFolder":
        """Claim the folder and write configuration and legend.

        Args:
            path: The folder.
            config: The resolved configuration.
            legend: The legend.
            overwrite: Replace the run that is there.
            patches: Hash of what the run is trained on, so that it is resumed on the same patches only.

        Raises:
            OutputError: If the folder is taken or cannot be written.
        """
        # config.yaml is no marker: many a folder holds one, and --overwrite deletes what a marked folder holds
        claim_folder(path, markers=(RECORD_FILE, UNFINISHED_FILE), overwrite=overwrite, what="run")
        write_json(path / UNFINISHED_FILE, {"software": f"cerradata {__version__}", "patches": patches})
        write_text(path / CONFIG_FILE, yaml.safe_dump(config, sort_keys=False))
        write_text(path / LEGEND_FILE, yaml.safe_dump(legend.to_dict(), sort_keys=False, allow_unicode=True))
        return RunFolder(path)

    def config(self) -> dict[str, Any]:
        """The resolved configuration with which the run was begun."""
        plain: dict[str, Any] = yaml.safe_load((self.path / CONFIG_FILE).read_text(encoding="utf-8"))
        return plain

    def begun_on(self) -> str | None:
        """Hash of the patches on which an unfinished run was begun; None if the folder holds no unfinished run."""
        path = self.path / UNFINISHED_FILE
        if not path.is_file() or (self.path / RECORD_FILE).is_file():
            return None
        return str(json.loads(path.read_text(encoding="utf-8"))["patches"])

    def history(self) -> pd.DataFrame:
        """Losses and scores of the training: one row an epoch with `epoch`, `train_loss`, `val_loss`, `val_macro_f1`, ...

        Raises:
            RunError: If the run has no log.
        """
        logs = [path for path in (self.metrics, *sorted(self.attempts.glob("*/metrics.csv"))) if path.is_file()]
        if not logs:
            raise RunError(f"{self.path} has no training log ({self.metrics.name}).")
        rows = pd.concat([pd.read_csv(path) for path in logs], ignore_index=True)
        # The logger writes training and validation of an epoch in rows of their own; a resumed epoch is there twice.
        return rows.drop(columns="step", errors="ignore").groupby("epoch", as_index=False).last()

    def finish(self, record: RunRecord) -> None:
        """Write the whole log and `run.json`, which says that the run is whole; remove what the training left."""
        if self.attempts.is_dir():
            write_text(self.metrics, self.history().to_csv(index=False))
            shutil.rmtree(self.attempts)
        write_json(self.path / RECORD_FILE, record.to_dict())
        shutil.rmtree(self.checkpoints, ignore_errors=True)
        (self.path / UNFINISHED_FILE).unlink(missing_ok=True)

    def read(self) -> RunRecord:
        """What the run is.

        Raises:
            RunError: If the folder is no run, or is half-written.
        """
        if not self.path.is_dir():
            raise RunError(f"There is no run folder {self.path}.")
        if not (self.path / RECORD_FILE).is_file():
            if (self.path / UNFINISHED_FILE).is_file():
                raise RunError(
                    f"{self.path} is half-written: the training was interrupted before it wrote {RECORD_FILE}. Run the same "
                    "`cerradata train` with --resume, or with --overwrite to start anew."
                )
            raise RunError(f"{self.path} is no run: it has no {RECORD_FILE}.")
        for name in (WEIGHTS_FILE, LEGEND_FILE):
            if not (self.path / name).is_file():
                raise RunError(f"{self.path} is damaged: {name} is missing. Copy it again, or train again.")
        try:
            plain = json.loads((self.path / RECORD_FILE).read_text(encoding="utf-8"))
            legend = yaml.safe_load((self.path / LEGEND_FILE).read_text(encoding="utf-8"))
        except (ValueError, yaml.YAMLError) as error:
            raise RunError(
                f"{self.path} is damaged: {RECORD_FILE} or {LEGEND_FILE} cannot be read ({error})."
            ) from error
        return RunRecord.from_dict(plain, legend, origin=str(self.path / RECORD_FILE))
