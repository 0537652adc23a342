"""tiffslide: tifffile and zarr behind OpenSlide's interface."""

from collections.abc import Sequence

import numpy as np
from tiffslide import TiffSlide

from . import base
from .base import Level, Rect, fill_by_stored_tiles, save_png, save_png_fast

EXACT = True
PACKAGES = ("tiffslide", "tifffile", "imagecodecs", "zarr")
__all__ = ["save_png", "save_png_fast"]

BLOCK = (1024, 1024)
"""What is read at a time: zarr takes longer for a call than for the few tiles in it."""


class Slide(base.Slide):
    """One slide for all threads; it opens a zarr group for each by itself."""

    def __init__(self, path: str, threads: int) -> None:
        self.threads = threads
        self.slide = TiffSlide(path)
        sizes, downsamples = self.slide.level_dimensions, self.slide.level_downsamples
        self.levels = [Level(*size, down) for size, down in zip(sizes, downsamples, strict=True)]

    def region(self, level: int, rect: Rect) -> np.ndarray:
        downsample = self.levels[level].downsample
        origin = (int(rect.x * downsample), int(rect.y * downsample))
        return self.slide.read_region(origin, level, (rect.width, rect.height), as_array=True)

    def fill(self, level: int, rects: Sequence[Rect], targets: Sequence[np.ndarray]) -> None:
        fill_by_stored_tiles(self, self.region, BLOCK, level, rects, targets)

    def close(self) -> None:
        self.slide.close()
