"""tifffile, stored tile by stored tile; imagecodecs decodes them."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock

import imagecodecs
import numpy as np
import tifffile

from . import base
from .base import CACHE, Cell, Level, Rect, by_stored_tile, cells, each, paste, save_png

EXACT = True
PACKAGES = ("tifffile", "imagecodecs")
__all__ = ["save_png"]


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
        for cell in cells(self.stored(level), rect):
            paste(self.decode(level, cell), self.origin(level, cell), rect, out)
        return out

    def patches(self, level: int, rects: Sequence[Rect], targets: Sequence[np.ndarray]) -> None:
        """It keeps nothing, so a cache stands before it."""
        width, height = self.stored(level)
        decode = lru_cache(CACHE // (width * height * 3))(self.decode)

        def one(rect: Rect, target: np.ndarray) -> None:
            for cell in cells((width, height), rect):
                paste(decode(level, cell), self.origin(level, cell), rect, target)

        each(self.threads, one, rects, targets)

    def fill(self, level: int, rects: Sequence[Rect], targets: Sequence[np.ndarray]) -> None:
        wanted = by_stored_tile(self.stored(level), rects)

        def one(cell: Cell) -> None:
            tile, origin = self.decode(level, cell), self.origin(level, cell)
            for index in wanted[cell]:
                paste(tile, origin, rects[index], targets[index])

        each(self.threads, one, wanted)

    def labels(self, level: int, rect: Rect) -> np.ndarray:
        out = np.empty((rect.height, rect.width), np.uint8)

        def one(cell: Cell) -> None:
            paste(self.decode(level, cell)[..., 0], self.origin(level, cell), rect, out)

        each(self.threads, one, cells(self.stored(level), rect))
        return out

    def stored(self, level: int) -> tuple[int, int]:
        """Width and height of stored tiles."""
        page = self.pages[level]
        return page.tilewidth, page.tilelength

    def origin(self, level: int, cell: Cell) -> tuple[int, int]:
        """Where a stored tile begins."""
        width, height = self.stored(level)
        return cell[0] * width, cell[1] * height

    def decode(self, level: int, cell: Cell) -> np.ndarray:
        """A stored tile, as it is stored: whole at the edges, too."""
        page = self.pages[level]
        across = -(-page.imagewidth // page.tilewidth)
        index = cell[1] * across + cell[0]
        with LOCK:
            tables, decode = page.jpegtables, page.decode
            self.file.filehandle.seek(page.dataoffsets[index])
            data = self.file.filehandle.read(page.databytecounts[index])
        tile, _, _ = decode(data, index, jpegtables=tables, _fullsize=True)
        return tile[0]

    def close(self) -> None:
        self.file.close()


LOCK = Lock()
"""One thread at a time moves a file's position, as tags do, too, when they are first asked for."""


def save_png_fast(pixels: np.ndarray, path: Path) -> None:
    """imagecodecs is there already, and in this setting twice as fast as Pillow."""
    path.write_bytes(
        imagecodecs.png_encode(
            pixels,
            level=1,
            strategy=imagecodecs.PNG.STRATEGY.RLE,
            filter=imagecodecs.PNG.FILTER.SUB,
        )
    )
