from pathlib import Path

import pytest

from cerradata.core.locations import Location


@pytest.mark.parametrize(
    ("text", "remote", "name"),
    [
        ("/data/S2A_20220710.SAFE", False, "S2A_20220710.SAFE"),
        ("/data/S2A_20220710.SAFE/", False, "S2A_20220710.SAFE"),
        ("B02.tif", False, "B02.tif"),
        ("s3://bucket/key/B02.tif", True, "B02.tif"),
        ("https://example.org/scene/", True, "scene"),
        ("/vsizip/scene.zip/B02.tif", True, "B02.tif"),
        ("/vsicurl/https://example.org/B02.tif", True, "B02.tif"),
    ],
)
def test_remote_and_name(text: str, remote: bool, name: str) -> None:
    assert (Location(text).is_remote, Location(text).name) == (remote, name)


def test_a_relative_path_becomes_absolute_and_a_uri_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ana")
    assert Location.absolute("scenes/../B02.tif") == str(tmp_path / "B02.tif")
    assert Location.absolute("~/B02.tif") == "/home/ana/B02.tif"
    assert Location.absolute("s3://bucket/a/../B02.tif") == "s3://bucket/a/../B02.tif"
    assert Location.absolute("/vsizip/scene.zip/B02.tif") == "/vsizip/scene.zip/B02.tif"


def test_path(tmp_path: Path) -> None:
    assert Location(tmp_path / "a.tif").path == tmp_path / "a.tif"
