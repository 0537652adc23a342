"""OpenSlide, by openslide-python and the library of openslide-bin."""

import numpy as np
import openslide

from . import base
from .base import Level, Rect, save_png, save_png_fast

EXACT = True
PACKAGES = ("openslide-python", "openslide-bin")
__all__ = ["save_png", "save_png_fast"]


class Slide(base.Slide):
    """One handle for all threads, with a cache that holds what a job meets again."""

    def __init__(self, path: str, threads: int) -> None:
        self.threads = threads
        self.slide = openslide.OpenSlide(path)
        sizes, downsamples = self.slide.level_dimensions, self.slide.level_downsamples
        self.levels = [Level(*size, down) for size, down in zip(sizes, downsamples, strict=True)]

    def region(self, level: int, rect: Rect) -> np.ndarray:
        downsample = self.levels[level].downsample
        origin = (int(rect.x * downsample), int(rect.y * downsample))
        image = self.slide.read_region(origin, level, (rect.width, rect.height))
        return np.asarray(image)[..., :3]

    def close(self) -> None:
        self.slide.close()
