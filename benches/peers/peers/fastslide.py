"""FastSlide."""

from collections.abc import Sequence

import numpy as np
from fastslide import FastSlide

from . import base
from .base import CACHE, Level, Rect, fill_by_stored_tiles, save_png, save_png_fast

EXACT = False  # its JPEG decoder rounds otherwise
PACKAGES = ("fastslide",)
__all__ = ["save_png", "save_png_fast"]

STORED = (512, 512)
"""It does not tell how tiles are stored; those of the fixtures are."""


class Slide(base.Slide):
    """One reader for all threads. It reads in threads of its own where a region has many tiles."""

    def __init__(self, path: str, threads: int) -> None:
        self.threads = threads
        self.slide = FastSlide.from_file_path(path)
        sizes, downsamples = self.slide.level_dimensions, self.slide.level_downsamples
        self.levels = [Level(*size, down) for size, down in zip(sizes, downsamples, strict=True)]

    def region(self, level: int, rect: Rect) -> np.ndarray:
        size = (rect.width, rect.height)
        return self.slide.read_region((rect.x, rect.y), level, size).numpy()

    def patches(self, level: int, rects: Sequence[Rect], targets: Sequence[np.ndarray]) -> None:
        self.slide.set_cache(CACHE)
        super().patches(level, rects, targets)

    def fill(self, level: int, rects: Sequence[Rect], targets: Sequence[np.ndarray]) -> None:
        fill_by_stored_tiles(self, self.region, STORED, level, rects, targets)

    def close(self) -> None:
        self.slide.close()
