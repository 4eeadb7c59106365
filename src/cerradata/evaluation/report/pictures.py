"""Pictures as text that stands in the page itself (data URIs)."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.image import imsave

from cerradata.core.types import Array

_DOTS_AN_INCH = 150  # as `plots.save_figure` writes them


@dataclass(frozen=True)
class Picture:
    """A picture on a page.

    Attributes:
        uri: The picture itself.
        alt: What it shows, for those who cannot see it.
        caption: Words below it.
    """

    uri: str
    alt: str
    caption: str = ""


def figure_uri(figure: Figure) -> str:
    """A figure as a data URI of PNG."""
    buffer = io.BytesIO()
    # Without the program's version in the file, the same figure gives the same bytes.
    figure.savefig(
        buffer, format="png", dpi=_DOTS_AN_INCH, bbox_inches="tight", pad_inches=0.12, metadata={"Software": None}
    )
    return _uri(buffer.getvalue())


def image_uri(pixels: Array) -> str:
    """Pixels as a data URI of PNG.

    Args:
        pixels: (H, W, 3), uint8 or float 0 to 1.
    """
    buffer = io.BytesIO()
    metadata: dict[str, Any] = {"Software": None}
    imsave(buffer, pixels, format="png", metadata=metadata)
    return _uri(buffer.getvalue())


def file_uri(path: Path) -> str:
    """A PNG file as a data URI."""
    return _uri(path.read_bytes())


def _uri(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
