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
    """Rows that one thread reads at a time where `labels` is shared among threads."""

    def __init__(self, path: str, threads: int) -> None:
        raise NotImplementedError

    def region(self, level: int, rect: Rect) -> np.ndarray:
        """RGB of a rectangle, (height, width, 3), by one plain call of the library."""
        raise NotImplementedError

    def fill(self, level: int, rects: Sequence[Rect], targets: Sequence[np.ndarray]) -> None:
        """Reads many rectangles, each into its target, as fast as the library can."""
        def one(rect: Rect, target: np.ndarray) -> None:
            target[...] = self.region(level, rect)

        each(self.threads, one, rects, targets)

    def labels(self, level: int, rect: Rect) -> np.ndarray:
        """The first channel of a rectangle, (height, width), as fast as the library can."""
        out = np.empty((rect.height, rect.width), np.uint8)

        def band(start: int) -> None:
            stop = min(start // self.BAND * self.BAND + self.BAND, rect.y + rect.height)
            part = self.region(level, Rect(rect.x, start, rect.width, stop - start))
            out[start - rect.y : stop - rect.y] = part[..., 0]

        first = rect.y // self.BAND * self.BAND
        starts = [max(rect.y, y) for y in range(first, rect.y + rect.height, self.BAND)]
        each(self.threads, band, starts)
        return out

    def close(self) -> None:
        """Lets go of the file."""


def each(threads: int, work: Callable[..., Any], *arguments: Iterable[Any]) -> list[Any]:
    """Calls `work` for each of the arguments, in that many threads."""
    if threads == 1:
        return [work(*each) for each in zip(*arguments, strict=True)]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, *arguments))


def save_png(pixels: np.ndarray, path: Path) -> None:
    """Pillow's default, as the published scripts save."""
    from PIL import Image

    Image.fromarray(pixels).save(path)


def save_png_fast(pixels: np.ndarray, path: Path) -> None:
    """Pillow's fastest setting that still makes small files."""
    from PIL import Image

    Image.fromarray(pixels).save(path, compress_level=1, compress_type=zlib.Z_RLE)
