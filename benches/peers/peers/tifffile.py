"""tifffile, stored tile by stored tile; imagecodecs decodes them."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Lock

import numpy as np
import tifffile

from . import base
from .base import Level, Rect, each, save_png

EXACT = True
PACKAGES = ("tifffile", "imagecodecs")
__all__ = ["save_png"]

Cell = tuple[int, int]
"""Column and row of a stored tile."""


class Slide(base.Slide):
    """The pages of a pyramid; each level's stored tiles are decoded by the page's own function."""

    def __init__(self, path: str, threads: int) -> None:
        self.threads = threads
        self.file = tifffile.TiffFile(path)
        self.pages = list(self.file.pages)
        width = self.pages[0].imagewidth
        self.levels = [
            Level(page.imagewidth, page.imagelength, width / page.imagewidth)
            for page in self.pages
        ]

    def region(self, level: int, rect: Rect) -> np.ndarray:
        out = np.empty((rect.height, rect.width, 3), np.uint8)
        for cell in cells(self.pages[level], rect):
            paste(self.decode(level, cell), self.origin(level, cell), rect, out)
        return out

    def fill(self, level: int, rects: Sequence[Rect], targets: Sequence[np.ndarray]) -> None:
        """Every stored tile that any rectangle touches is decoded once."""
        wanted: OrderedDict[Cell, list[int]] = OrderedDict()
        for index, rect in enumerate(rects):
            for cell in cells(self.pages[level], rect):
                wanted.setdefault(cell, []).append(index)

        def one(cell: Cell) -> None:
            tile, origin = self.decode(level, cell), self.origin(level, cell)
            for index in wanted[cell]:
                paste(tile, origin, rects[index], targets[index])

        each(self.threads, one, wanted)

    def labels(self, level: int, rect: Rect) -> np.ndarray:
        out = np.empty((rect.height, rect.width), np.uint8)

        def one(cell: Cell) -> None:
            paste(self.decode(level, cell)[..., 0], self.origin(level, cell), rect, out)

        each(self.threads, one, cells(self.pages[level], rect))
        return out

    def origin(self, level: int, cell: Cell) -> tuple[int, int]:
        """Where a stored tile begins."""
        page = self.pages[level]
        return cell[0] * page.tilewidth, cell[1] * page.tilelength

    def decode(self, level: int, cell: Cell) -> np.ndarray:
        """A stored tile, as it is stored: whole at the edges, too."""
        page = self.pages[level]
        across = -(-page.imagewidth // page.tilewidth)
        index = cell[1] * across + cell[0]
        handle = self.file.filehandle
        with handle.lock or LOCK:
            handle.seek(page.dataoffsets[index])
            data = handle.read(page.databytecounts[index])
        tile, _, _ = page.decode(data, index, jpegtables=page.jpegtables, _fullsize=True)
        return tile[0]

    def close(self) -> None:
        self.file.close()


LOCK = Lock()


def cells(page: tifffile.TiffPage, rect: Rect) -> list[Cell]:
    """The stored tiles that a rectangle touches."""
    columns = range(rect.x // page.tilewidth, -(-(rect.x + rect.width) // page.tilewidth))
    rows = range(rect.y // page.tilelength, -(-(rect.y + rect.height) // page.tilelength))
    return [(column, row) for row in rows for column in columns]


def paste(tile: np.ndarray, origin: tuple[int, int], rect: Rect, out: np.ndarray) -> None:
    """Copies what a stored tile has of a rectangle."""
    left, top = origin
    x0, x1 = max(left, rect.x), min(left + tile.shape[1], rect.x + rect.width)
    y0, y1 = max(top, rect.y), min(top + tile.shape[0], rect.y + rect.height)
    out[y0 - rect.y : y1 - rect.y, x0 - rect.x : x1 - rect.x] = tile[
        y0 - top : y1 - top, x0 - left : x1 - left
    ]


def save_png_fast(pixels: np.ndarray, path: Path) -> None:
    """imagecodecs is there already, and faster than Pillow."""
    import imagecodecs

    path.write_bytes(imagecodecs.png_encode(pixels, level=1))
