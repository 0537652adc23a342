"""cuCIM on the processor, without its GPU packages."""

from collections.abc import Sequence

import numpy as np
from cucim import CuImage

from . import base
from .base import Level, Rect, cells, fill_by_stored_tiles, paste, save_png, save_png_fast

EXACT = True
PACKAGES = ("cucim-cu13",)
__all__ = ["save_png", "save_png_fast"]


class Slide(base.Slide):
    """One image for all threads. Patches are read by its batches. Its cache of decoded tiles, where
    it is switched on, counts neither hit nor miss with these files, so none is."""

    def __init__(self, path: str, threads: int) -> None:
        self.threads = threads
        self.slide = CuImage(path)
        known = self.slide.resolutions
        sizes, downsamples = known["level_dimensions"], known["level_downsamples"]
        self.levels = [Level(*size, down) for size, down in zip(sizes, downsamples, strict=True)]
        self.stored = known["level_tile_sizes"]

    def region(self, level: int, rect: Rect) -> np.ndarray:
        size = (rect.width, rect.height)
        return np.asarray(self.slide.read_region(self.origin(level, rect), size, level))

    def patches(self, level: int, rects: Sequence[Rect], targets: Sequence[np.ndarray]) -> None:
        size = (rects[0].width, rects[0].height)
        batch = 16 if self.threads == 1 else 1
        read = self.slide.read_region(
            [self.origin(level, rect) for rect in rects],
            size,
            level,
            num_workers=self.threads,
            batch_size=batch,
        )
        done = 0
        for pixels in read:
            pixels = np.asarray(pixels).reshape(-1, size[1], size[0], 3)
            for target, patch in zip(targets[done : done + batch], pixels, strict=True):
                target[...] = patch
            done += len(pixels)

    def fill(self, level: int, rects: Sequence[Rect], targets: Sequence[np.ndarray]) -> None:
        stored = self.stored[level]
        fill_by_stored_tiles(self, self.region, stored, level, rects, targets)

    def labels(self, level: int, rect: Rect) -> np.ndarray:
        """Whole stored tiles, by batches; what of them lies outside of the level is not used."""
        out = np.empty((rect.height, rect.width), np.uint8)
        width, height = self.stored[level]
        corners = [(x * width, y * height) for x, y in cells((width, height), rect)]
        read = self.slide.read_region(
            [self.origin(level, Rect(*corner, width, height)) for corner in corners],
            (width, height),
            level,
            num_workers=self.threads,
            batch_size=1,
        )
        for corner, tile in zip(corners, read, strict=True):
            tile = np.asarray(tile).reshape(height, width, 3)
            paste(tile[..., 0], corner, rect, out)
        return out

    def origin(self, level: int, rect: Rect) -> tuple[int, int]:
        """In pixels of level 0."""
        downsample = self.levels[level].downsample
        return int(rect.x * downsample), int(rect.y * downsample)

    def close(self) -> None:
        self.slide.close()
