"""libvips, by pyvips and the library of pyvips-binary, which reads these files with libtiff."""

import os

# Set before libvips starts. Its pipelines get one thread each, since the jobs' own threads each
# read with a pipeline; more of both are slower.
os.environ["VIPS_CONCURRENCY"] = "1"

from collections.abc import Sequence
from pathlib import Path
from threading import local

import numpy as np
import pyvips

from . import base
from .base import Level, Rect, each, fill_by_stored_tiles

EXACT = True
PACKAGES = ("pyvips", "pyvips-binary")


class Slide(base.Slide):
    """An image a level."""

    BAND = 256

    def __init__(self, path: str, threads: int) -> None:
        self.threads = threads
        first = pyvips.Image.new_from_file(path, page=0)
        others = range(1, first.get("n-pages"))
        self.images = [first, *(pyvips.Image.new_from_file(path, page=page) for page in others)]
        self.levels = [
            Level(image.width, image.height, first.width / image.width) for image in self.images
        ]
        self.regions = local()

    def region(self, level: int, rect: Rect) -> np.ndarray:
        return self.images[level].crop(*rect).numpy()

    def patches(self, level: int, rects: Sequence[Rect], targets: Sequence[np.ndarray]) -> None:
        """The cache that comes with an image, two rows of tiles, does as well as a larger one."""
        def one(rect: Rect, target: np.ndarray) -> None:
            target[...] = self.fetch(level, rect)

        each(self.threads, one, rects, targets)

    def fill(self, level: int, rects: Sequence[Rect], targets: Sequence[np.ndarray]) -> None:
        image = self.images[level]
        stored = image.get("tile-width"), image.get("tile-height")
        fill_by_stored_tiles(self, self.fetch, stored, level, rects, targets)

    def first_channel(self, level: int, rect: Rect) -> np.ndarray:
        return self.fetch(level, rect)[..., 0]

    def fetch(self, level: int, rect: Rect) -> np.ndarray:
        """A rectangle without a pipeline: each thread has a region, which asks the cache."""
        regions = self.regions.__dict__
        if level not in regions:
            regions[level] = pyvips.Region.new(self.images[level])
        data = regions[level].fetch(*rect)
        return np.frombuffer(data, np.uint8).reshape(rect.height, rect.width, 3)


def save_png(pixels: np.ndarray, path: Path) -> None:
    """libvips' default."""
    pyvips.Image.new_from_array(pixels).pngsave(os.fspath(path))


def save_png_fast(pixels: np.ndarray, path: Path) -> None:
    """The lowest level that still compresses; of its filters, the one that helps for nothing."""
    pyvips.Image.new_from_array(pixels).pngsave(os.fspath(path), compression=1, filter="up")
