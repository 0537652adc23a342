"""What the jobs ask of a peer, and what most peers do alike.

A peer is a module `peers/NAME.py` with

    EXACT       whether its pixels are held to be OpenSlide's
    PACKAGES    the packages whose versions a result names
    Slide       a subclass of the one below
    save_png, save_png_fast     how its users would save an array; by default, Pillow's ways
"""

import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

CACHE = 512 << 20
"""Bytes of decoded tiles that a peer may keep, where it has a cache or needs one of its user's."""


class Level(NamedTuple):
    """A level of a slide."""

    width: int
    height: int
    downsample: float


class Rect(NamedTuple):
    """A rectangle in pixels of a level."""

    x: int
    y: int
    width: int
    height: int


class Slide:
    """An open slide. Rectangles are in pixels of the level and lie inside of it."""

    levels: list[Level]
    threads: int
    """How many threads the library is asked to use; with one, the job is to be done on one."""

    BAND = 1024
    """Rows that a thread reads at a time where `labels` is shared among threads."""

    def __init__(self, path: str, threads: int) -> None:
        raise NotImplementedError

    def region(self, level: int, rect: Rect) -> np.ndarray:
        """RGB of a rectangle, (height, width, 3), by one plain call of the library."""
        raise NotImplementedError

    def patches(self, level: int, rects: Sequence[Rect], targets: Sequence[np.ndarray]) -> None:
        """Reads rectangles of one size in their order, each by itself, as a loader of patches does;
        what was decoded may be kept."""
        def one(rect: Rect, target: np.ndarray) -> None:
            target[...] = self.region(level, rect)

        each(self.threads, one, rects, targets)

    def fill(self, level: int, rects: Sequence[Rect], targets: Sequence[np.ndarray]) -> None:
        """Reads rectangles that are all known before, in whatever order is the fastest."""
        self.patches(level, rects, targets)

    def labels(self, level: int, rect: Rect) -> np.ndarray:
        """The first channel of a rectangle, (height, width), as fast as the library can."""
        out = np.empty((rect.height, rect.width), np.uint8)

        def band(start: int) -> None:
            stop = min(start // self.BAND * self.BAND + self.BAND, rect.y + rect.height)
            part = Rect(rect.x, start, rect.width, stop - start)
            out[start - rect.y : stop - rect.y] = self.first_channel(level, part)

        first = rect.y // self.BAND * self.BAND
        starts = [max(rect.y, y) for y in range(first, rect.y + rect.height, self.BAND)]
        each(self.threads, band, starts)
        return out

    def first_channel(self, level: int, rect: Rect) -> np.ndarray:
        """What `labels` has of a band."""
        return self.region(level, rect)[..., 0]

    def close(self) -> None:
        """Lets go of the file."""


def each(threads: int, work: Callable[..., Any], *arguments: Iterable[Any]) -> list[Any]:
    """Calls `work` for each of the arguments, in that many threads."""
    if threads == 1:
        return [work(*given) for given in zip(*arguments, strict=True)]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, *arguments))


Cell = tuple[int, int]
"""Column and row of a stored tile."""


def cells(stored: tuple[int, int], rect: Rect) -> list[Cell]:
    """The stored tiles, of a width and a height, that a rectangle touches."""
    width, height = stored
    columns = range(rect.x // width, -(-(rect.x + rect.width) // width))
    rows = range(rect.y // height, -(-(rect.y + rect.height) // height))
    return [(column, row) for row in rows for column in columns]


def by_stored_tile(stored: tuple[int, int], rects: Sequence[Rect]) -> dict[Cell, list[int]]:
    """Which rectangles need which stored tile."""
    wanted: dict[Cell, list[int]] = {}
    for index, rect in enumerate(rects):
        for cell in cells(stored, rect):
            wanted.setdefault(cell, []).append(index)
    return wanted


def paste(tile: np.ndarray, origin: tuple[int, int], rect: Rect, out: np.ndarray) -> None:
    """Copies what a stored tile that begins there has of a rectangle."""
    left, top = origin
    x0, x1 = max(left, rect.x), min(left + tile.shape[1], rect.x + rect.width)
    y0, y1 = max(top, rect.y), min(top + tile.shape[0], rect.y + rect.height)
    out[y0 - rect.y : y1 - rect.y, x0 - rect.x : x1 - rect.x] = tile[
        y0 - top : y1 - top, x0 - left : x1 - left
    ]


def fill_by_stored_tiles(
    slide: Slide,
    read: Callable[[int, Rect], np.ndarray],
    stored: tuple[int, int],
    level: int,
    rects: Sequence[Rect],
    targets: Sequence[np.ndarray],
) -> None:
    """Reads every stored tile that any rectangle touches once."""
    wanted = by_stored_tile(stored, rects)
    size = slide.levels[level]

    def one(cell: Cell) -> None:
        x, y = cell[0] * stored[0], cell[1] * stored[1]
        rect = Rect(x, y, min(stored[0], size.width - x), min(stored[1], size.height - y))
        tile = read(level, rect)
        for index in wanted[cell]:
            paste(tile, (x, y), rects[index], targets[index])

    each(slide.threads, one, wanted)


def save_png(pixels: np.ndarray, path: Path) -> None:
    """Pillow's default, as the published scripts save."""
    from PIL import Image

    Image.fromarray(pixels).save(path)


def save_png_fast(pixels: np.ndarray, path: Path) -> None:
    """Pillow's fastest setting that still makes small files."""
    from PIL import Image

    Image.fromarray(pixels).save(path, compress_level=1, compress_type=zlib.Z_RLE)
