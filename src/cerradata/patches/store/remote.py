"""Datasets in an object store: the tables are fetched, the packed patches are read where they lie."""

import atexit
import os
import re
import shutil
import tempfile
from pathlib import Path
from threading import Lock
from typing import Any, Final

import fsspec

from cerradata.core.errors import ConfigError, DatasetError
from cerradata.core.locations import Location
from cerradata.patches.layout import CERTIFICATE_FILE, INDEX_FILE, INFO_FILE
from cerradata.patches.store.form import LOCATION_FILE, PACK_FILE, STORE_FOLDER

_REQUIRED: Final = (INFO_FILE, INDEX_FILE)
_BROKEN_URI: Final = re.compile(r"([a-z][a-z0-9+.-]+):/(?!/)(.+)", re.IGNORECASE)
"""What `pathlib.Path` makes of a URI: it takes two slashes for one."""
_FEW: Final = 2
"""Bytes that are asked for, to see whether a server gives parts of files."""
_REFUSED: Final = (401, 403)
"""Status of HTTP."""
_CREDENTIALS: Final = (
    "Credentials are given as the store's own tools take them (AWS_PROFILE, AWS_ACCESS_KEY_ID, ...); a public bucket needs none "
    "with FSSPEC_S3_ANON=true."
)
_folders: dict[str, Path] = {}
_fetching = Lock()


def dataset_folder(location: Location | str | Path) -> Path:
    """The local folder of a dataset, wherever the dataset lies.

    Of a packed dataset in an object store, `index.parquet`, `dataset.json` and the certificate of the split are fetched into
    a temporary folder, once in a process, and a pointer to the packed patches is put beside them. Patches are read from
    where they lie when they are needed. The folder is removed when the process ends.

    Args:
        location: A local path, or a URI that fsspec understands (`s3://bucket/dataset`, `https://host/dataset`).

    Returns:
        The path itself if it is local, else the temporary folder. It has the name of the dataset's folder.

    Raises:
        DatasetError: If no packed dataset is there, it cannot be reached, or the library for that kind of URI is missing.
    """
    broken = _BROKEN_URI.match(str(location)) if isinstance(location, Path) else None
    if broken is not None:
        raise DatasetError(
            f"{location} is no local path: give the URI {broken[1]}://{broken[2]} as text, not as a Path."
        )
    if not Location(location).is_remote:
        return Path(location)
    url = str(location).rstrip("/")
    if "://" not in url:
        raise DatasetError(
            f"{url} is a path of GDAL's own: a dataset is opened by its URI, s3://bucket/dataset for example."
        )
    with _fetching:
        if url not in _folders:
            _folders[url] = _fetch(url)
        return _folders[url]


def require_local(location: Location, command: str) -> Path:
    """The local path of a folder that a command writes into.

    Args:
        location: The folder.
        command: Name of the command, for the message.

    Raises:
        ConfigError: If the folder is not on this machine.
    """
    if location.is_remote:
        raise ConfigError(
            f"`cerradata {command}` writes on this machine only, {location} is elsewhere: give a local folder, and copy it "
            "there afterwards. For splits of one's own beside remote patches see `patches.url` in docs/packing.md."
        )
    return location.path


def _fetch(url: str) -> Path:
    system, path = _connect(url)
    tables = {name: _read(system, url, f"{path}/{name}") for name in _REQUIRED}
    missing = [name for name in _REQUIRED if tables[name] is None]
    if missing:
        raise DatasetError(
            f"There is no dataset at {url}: it has no {missing[0]}. Give the folder in which {INFO_FILE}, {INDEX_FILE} and "
            f"{STORE_FOLDER}/ lie, and upload all of them."
        )
    end = _read(system, url, f"{path}/{STORE_FOLDER}/{PACK_FILE}", start=-_FEW)
    if end is None:
        raise DatasetError(
            f"{url} has no packed patches ({STORE_FOLDER}/{PACK_FILE}), and GeoTIFFs are read from a local disk only: run "
            f"`cerradata pack` on a local copy and upload {STORE_FOLDER}/, with {PACK_FILE} as its last file."
        )
    if len(end) != _FEW:
        raise DatasetError(
            f"The server of {url} gives whole files only, and patches are read as byte ranges: use one that answers `Range` "
            "(object stores, nginx and Apache do), or copy the dataset."
        )
    tables[CERTIFICATE_FILE] = _read(system, url, f"{path}/{CERTIFICATE_FILE}", required=False)
    base = Path(tempfile.mkdtemp(prefix="cerradata-"))
    atexit.register(_remove, base, os.getpid())
    folder = base / Location(url).name
    folder.mkdir()
    for name, content in tables.items():
        if content is not None:
            (folder / name).write_bytes(content)
    (folder / LOCATION_FILE).write_text(f"{url}/{STORE_FOLDER}\n", encoding="utf-8")
    return folder


def _connect(url: str) -> tuple[Any, str]:
    """The file system of a URI, and the path in it."""
    try:
        system, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise DatasetError(
            f"{url} cannot be read, its library is not installed ({error}): pip install 'cerradata[remote]' for s3://."
        ) from error
    except Exception as error:  # each file system raises classes of its own
        raise DatasetError(
            f"{url} is no address that fsspec understands ({error}): s3://bucket/dataset is one."
        ) from error
    return system, str(path).rstrip("/")


def _read(
    system: Any,  # noqa: ANN401 - of an untyped library
    url: str,
    path: str,
    *,
    required: bool = True,
    start: int | None = None,
) -> bytes | None:
    """A file; None if it does not exist. A store that does not list its files refuses one that does not exist."""
    try:
        return bytes(system.cat_file(path, start=start))
    except FileNotFoundError:
        return None
    except Exception as error:  # each file system raises classes of its own
        refused = isinstance(error, PermissionError) or getattr(error, "status", None) in _REFUSED
        if refused and not required:
            return None
        if refused:
            raise DatasetError(
                f"No access to {path} of {url} ({error}). {_CREDENTIALS} Stores also say so of files that do not exist."
            ) from error
        raise DatasetError(
            f"{path} of {url} cannot be read ({error!r}): are address and network right? An S3 store that is not Amazon's is "
            f"named by AWS_ENDPOINT_URL. {_CREDENTIALS}"
        ) from error


def _remove(folder: Path, process: int) -> None:
    if os.getpid() == process:  # not in a fork, whose parent still needs it
        shutil.rmtree(folder, ignore_errors=True)
