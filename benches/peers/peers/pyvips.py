"""libvips, by pyvips and the library of pyvips-binary, which reads these files with libtiff."""

import os
from collections.abc import Sequence
from pathlib import Path
from threading import local

import numpy as np
import pyvips

from . import base
from .base import Level, Rect, each

EXACT = True
PACKAGES = ("pyvips", "pyvips-binary")


class Slide(base.Slide):
    """One image a level, opened when it is first read; libvips keeps a few rows of tiles."""

    def __init__(self, path: str, threads: int) -> None:
        self.threads = threads
        self.path = path
        first = pyvips.Image.new_from_file(path, page=0)
        self.images = {0: first}
        count = first.get("n-pages")
        for page in range(1, count):
            self.images[page] = pyvips.Image.new_from_file(path, page=page)
        self.levels = [
            Level(image.width, image.height, first.width / image.width)
            for image in self.images.values()
        ]
        self.regions = local()

    def region(self, level: int, rect: Rect) -> np.ndarray:
        return self.images[level].crop(*rect).numpy()

    def fetch(self, level: int, rect: Rect) -> np.ndarray:
        """A rectangle without a pipeline: a region each thread, which asks the decoder's cache."""
        regions = self.regions.__dict__
        if level not in regions:
            regions[level] = pyvips.Region.new(self.images[level])
        data = regions[level].fetch(*rect)
        return np.frombuffer(data, np.uint8).reshape(rect.height, rect.width, 3)

    def fill(self, level: int, rects: Sequence[Rect], targets: Sequence[np.ndarray]) -> None:
        def one(rect: Rect, target: np.ndarray) -> None:
            target[...] = self.fetch(level, rect)

        each(self.threads, one, rects, targets)

    def labels(self, level: int, rect: Rect) -> np.ndarray:
        return self.images[level].crop(*rect)[0].numpy()


def save_png(pixels: np.ndarray, path: Path) -> None:
    """libvips' default."""
    pyvips.Image.new_from_array(pixels).pngsave(os.fspath(path))


def save_png_fast(pixels: np.ndarray, path: Path) -> None:
    """The lowest level that still compresses."""
    pyvips.Image.new_from_array(pixels).pngsave(os.fspath(path), compression=1)
