"""The published confusion matrices through the real command line."""

import json
from pathlib import Path

import pytest

from cerradata.commands.main import main

PUBLISHED = {
    "transnuseg_concat_w_l1": (52.3961, 42.5439, 7),
    "transnuseg_concat_w_l2": (37.6745, 27.3079, 14),
    "unet_concat_nw_l1": (36.4948, 31.9243, 7),
    "unet_concat_w_l1": (45.2380, 34.8346, 7),
    "unet_concat_w_l2": (30.1177, 21.5135, 14),
}


@pytest.mark.shared_data
@pytest.mark.parametrize("name", PUBLISHED)
def test_score_gives_the_published_figures(name: str, shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    macro_f1, mean_iou, classes = PUBLISHED[name]
    path = shared_data / "published" / f"{name}_confusion_matrix.csv"
    assert main(["score", str(path), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert f"{found['macro_f1']:.4f}" == f"{macro_f1:.4f}"
    assert f"{found['mean_iou']:.4f}" == f"{mean_iou:.4f}"
    assert len(found["per_class"]) == classes
    assert sum(c["support"] for c in found["per_class"]) == 3028 * 128 * 128


def test_score_names_the_classes_of_a_legend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    matrix = tmp_path / "matrix.csv"
    matrix.write_text("Class,0,1,2\n0,5,1,0\n1,0,7,0\n2,0,0,3\n")
    assert main(["score", str(matrix)]) == 0
    assert "macro F1" in capsys.readouterr().out
    assert main(["score", str(matrix), "--legend", "no-such-legend"]) == 1
    assert "cerradata-4mm" in capsys.readouterr().err
