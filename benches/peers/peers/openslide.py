"""OpenSlide, by openslide-python and the library of openslide-bin."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import openslide

from . import base
from .base import CACHE, Level, Rect, save_png, save_png_fast

EXACT = True
PACKAGES = ("openslide-python", "openslide-bin")
__all__ = ["save_png", "save_png_fast"]


class Slide(base.Slide):
    """One handle for all threads."""

    def __init__(self, path: str, threads: int) -> None:
        self.threads = threads
        self.slide = openslide.OpenSlide(path)
        sizes, downsamples = self.slide.level_dimensions, self.slide.level_downsamples
        self.levels = [Level(*size, down) for size, down in zip(sizes, downsamples, strict=True)]

    def region(self, level: int, rect: Rect) -> np.ndarray:
        return np.asarray(self.image(level, rect))[..., :3]

    def patches(self, level: int, rects: Sequence[Rect], targets: Sequence[np.ndarray]) -> None:
        """With a larger cache. Reading whole stored tiles and cutting is slower: what takes time
        beside the decoding goes by pixels."""
        self.slide.set_cache(openslide.OpenSlideCache(CACHE))
        super().patches(level, rects, targets)

    def first_channel(self, level: int, rect: Rect) -> np.ndarray:
        return np.asarray(self.image(level, rect).getchannel(0))

    def image(self, level: int, rect: Rect) -> Any:
        """A Pillow image, RGBA."""
        downsample = self.levels[level].downsample
        origin = (int(rect.x * downsample), int(rect.y * downsample))
        return self.slide.read_region(origin, level, (rect.width, rect.height))

    def close(self) -> None:
        self.slide.close()
