"""cuCIM on the processor, without its GPU packages."""

from collections.abc import Sequence

import numpy as np
from cucim import CuImage

from . import base
from .base import Level, Rect, save_png, save_png_fast

EXACT = True
PACKAGES = ("cucim-cu13",)
__all__ = ["save_png", "save_png_fast"]


class Slide(base.Slide):
    """One image for all threads."""

    def __init__(self, path: str, threads: int) -> None:
        self.threads = threads
        self.slide = CuImage(path)
        known = self.slide.resolutions
        sizes, downsamples = known["level_dimensions"], known["level_downsamples"]
        self.levels = [Level(*size, down) for size, down in zip(sizes, downsamples, strict=True)]

    def region(self, level: int, rect: Rect) -> np.ndarray:
        downsample = self.levels[level].downsample
        origin = (int(rect.x * downsample), int(rect.y * downsample))
        size = (rect.width, rect.height)
        return np.asarray(self.slide.read_region(origin, size, level))

    def close(self) -> None:
        self.slide.close()
