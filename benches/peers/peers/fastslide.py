"""FastSlide."""

import numpy as np
from fastslide import FastSlide

from . import base
from .base import Level, Rect, save_png, save_png_fast

EXACT = False  # its JPEG decoder rounds otherwise
PACKAGES = ("fastslide",)
__all__ = ["save_png", "save_png_fast"]


class Slide(base.Slide):
    """One reader for all threads."""

    def __init__(self, path: str, threads: int) -> None:
        self.threads = threads
        self.slide = FastSlide.from_file_path(path)
        sizes, downsamples = self.slide.level_dimensions, self.slide.level_downsamples
        self.levels = [Level(*size, down) for size, down in zip(sizes, downsamples, strict=True)]

    def region(self, level: int, rect: Rect) -> np.ndarray:
        size = (rect.width, rect.height)
        return self.slide.read_region((rect.x, rect.y), level, size).numpy()

    def close(self) -> None:
        self.slide.close()
