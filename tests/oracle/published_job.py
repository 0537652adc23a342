#!/usr/bin/env python3
"""The published tiling job, written again in numpy over OpenSlide: what tests compare ours with.

The job is that of microsoft/hi-ml, `hi-ml-cpath/other/slide_image_loading`, as DESIGN.md states it,
with its three faults mended: the region of interest is clipped to the slide, an origin between the
pixels of a level is truncated to a pixel and copied, and x and y of a tile are the right way round.

No line of this shares code with the library, and none of it is fast.

    published_job.py SLIDE MASK --level 1 --tile-size 224 --margin 64 --threshold 0.05

prints a summary and then the canonical listing, one line a kept tile, rows from top to bottom,
tiles from left to right, each line ended by one line feed:

    NAME TILE_X TILE_Y COUNT MASK_SHA256 IMAGE_SHA256

    NAME            {x:05}x_{y:05}y of the tile's level-0 position, a sign counting as a digit
    TILE_X, TILE_Y  that position, decimal
    COUNT           mask pixels above 0 in the tile; occupancy is COUNT / (T * T)
    MASK_SHA256     of T*T bytes, the first channel of the mask, row by row, padding 0
    IMAGE_SHA256    of T*T*3 bytes, RGB, row by row, padding 255

Made with openslide-python 1.4.7, openslide-bin 4.0.1.2 (libjpeg-turbo 3.1.4.1) and numpy 2.4.6.
"""

import argparse
import dataclasses
import hashlib
from collections.abc import Iterator

import numpy as np
import openslide


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a caller chooses."""

    level: int = 1
    tile_size: int = 224
    margin: int = 64
    threshold: float = 0.05


@dataclasses.dataclass(frozen=True)
class Region:
    """The region of interest."""

    level0_x: int
    level0_y: int
    x: int
    """In pixels of the level, as are the three that follow."""
    y: int
    width: int
    height: int
    left: int
    """Padding, in pixels of the level, as are the three that follow."""
    top: int
    right: int
    bottom: int


@dataclasses.dataclass(frozen=True)
class Tile:
    """A kept tile."""

    x: int
    y: int
    count: int
    mask: bytes
    image: bytes

    @property
    def name(self) -> str:
        return f"{self.x:05d}x_{self.y:05d}y"

    def line(self) -> str:
        mask = hashlib.sha256(self.mask).hexdigest()
        image = hashlib.sha256(self.image).hexdigest()
        return f"{self.name} {self.x} {self.y} {self.count} {mask} {image}\n"


class Levels:
    """Whole pixels of the levels of one file, without blending."""

    def __init__(self, path: str):
        self.slide = openslide.OpenSlide(path)
        # Rows of narrow tiles meet each stored tile many times.
        self.slide.set_cache(openslide.OpenSlideCache(768 << 20))
        self.whole: dict[int, np.ndarray] = {}

    def size(self, level: int) -> tuple[int, int]:
        return self.slide.level_dimensions[level]

    def downsample(self, level: int) -> float:
        return self.slide.level_downsamples[level]

    def last(self) -> int:
        return self.slide.level_count - 1

    def read(self, level: int, x: int, y: int, width: int, height: int) -> np.ndarray:
        """RGB of a rectangle that lies inside the level, in its pixels."""
        level_width, level_height = self.size(level)
        assert 0 <= x and 0 <= y and x + width <= level_width and y + height <= level_height
        downsample = self.downsample(level)
        if downsample == int(downsample):
            location = (x * int(downsample), y * int(downsample))
            return self._rgb(level, location, (width, height))
        # The origin is the one place that lies on a whole pixel of every level, and a read within
        # 4096 pixels of where it began keeps its phase.
        assert level_width <= 4096 and level_height <= 4096, "no exact read of this level"
        if level not in self.whole:
            self.whole[level] = self._rgb(level, (0, 0), (level_width, level_height))
        return self.whole[level][y : y + height, x : x + width]

    def _rgb(self, level: int, location: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
        pixels = np.asarray(self.slide.read_region(location, level, size))
        assert (pixels[..., 3] == 255).all(), "a missing tile: what its pixels are is undefined"
        return pixels[..., :3]


def bounding_box(foreground: np.ndarray) -> tuple[int, int, int, int] | None:
    """x, y, width and height, both ends included."""
    columns = np.flatnonzero(foreground.any(axis=0))
    rows = np.flatnonzero(foreground.any(axis=1))
    if len(columns) == 0:
        return None
    x, y = int(columns[0]), int(rows[0])
    return x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1


def region_of_interest(slide: Levels, mask: Levels, settings: Settings) -> Region | None:
    """Where the job looks; nothing if the mask is empty or lies beside the slide."""
    lowest = mask.last()
    box = bounding_box(mask.read(lowest, 0, 0, *mask.size(lowest))[..., 0] > 0)
    if box is None:
        return None
    x, y, width, height = box
    x -= settings.margin
    y -= settings.margin
    width += 2 * settings.margin
    height += 2 * settings.margin

    # To level 0, each number truncated toward zero, as int() does.
    scale = mask.downsample(lowest)
    x, y, width, height = int(x * scale), int(y * scale), int(width * scale), int(height * scale)

    # Clipped to the slide.
    slide_width, slide_height = slide.size(0)
    right, bottom = min(x + width, slide_width), min(y + height, slide_height)
    x, y = max(x, 0), max(y, 0)
    width, height = right - x, bottom - y
    if width <= 0 or height <= 0:
        return None

    # To the level.
    downsample = slide.downsample(settings.level)
    level_width = int(width * (1.0 / downsample))
    level_height = int(height * (1.0 / downsample))
    pad_x = (settings.tile_size - level_width % settings.tile_size) % settings.tile_size
    pad_y = (settings.tile_size - level_height % settings.tile_size) % settings.tile_size
    return Region(
        level0_x=x,
        level0_y=y,
        x=int(x / downsample),
        y=int(y / downsample),
        width=level_width,
        height=level_height,
        left=pad_x // 2,
        top=pad_y // 2,
        right=pad_x - pad_x // 2,
        bottom=pad_y - pad_y // 2,
    )


def grid(region: Region, settings: Settings) -> tuple[int, int]:
    """Tiles across and down."""
    padded_width = region.left + region.width + region.right
    padded_height = region.top + region.height + region.bottom
    assert padded_width % settings.tile_size == 0 and padded_height % settings.tile_size == 0
    return padded_width // settings.tile_size, padded_height // settings.tile_size


def padded_row(
    levels: Levels, region: Region, settings: Settings, row: int, fill: int
) -> np.ndarray:
    """One row of tiles of the padded region, T high, RGB."""
    size = settings.tile_size
    across, _ = grid(region, settings)
    out = np.full((size, across * size, 3), fill, np.uint8)
    # Rows of the unpadded region.
    first = row * size - region.top
    begin, end = max(first, 0), min(first + size, region.height)
    if begin < end and region.width > 0:
        pixels = levels.read(settings.level, region.x, region.y + begin, region.width, end - begin)
        columns = slice(region.left, region.left + region.width)
        out[begin - first : end - first, columns] = pixels
    return out


def kept_tiles(
    slide: Levels, mask: Levels, region: Region, settings: Settings
) -> Iterator[Tile]:
    """The tiles that the mask fills to more than the threshold."""
    size = settings.tile_size
    downsample = slide.downsample(settings.level)
    across, down = grid(region, settings)
    for row in range(down):
        labels = padded_row(mask, region, settings, row, 0)[..., 0]
        counts = (labels > 0).reshape(size, across, size).sum(axis=(0, 2), dtype=np.int64)
        occupancies = counts / (size * size)
        kept = [column for column in range(across) if occupancies[column] > settings.threshold]
        if not kept:
            continue
        image = padded_row(slide, region, settings, row, 255)
        for column in kept:
            columns = slice(column * size, (column + 1) * size)
            yield Tile(
                x=int(downsample * (column * size - region.left) + region.level0_x),
                y=int(downsample * (row * size - region.top) + region.level0_y),
                count=int(counts[column]),
                mask=labels[:, columns].tobytes(),
                image=image[:, columns].tobytes(),
            )


def main() -> None:
    parser = argparse.ArgumentParser(description="The published tiling job, over OpenSlide.")
    parser.add_argument("slide")
    parser.add_argument("mask")
    parser.add_argument("--level", type=int, default=Settings.level)
    parser.add_argument("--tile-size", type=int, default=Settings.tile_size)
    parser.add_argument("--margin", type=int, default=Settings.margin)
    parser.add_argument("--threshold", type=float, default=Settings.threshold)
    arguments = parser.parse_args()
    settings = Settings(
        arguments.level, arguments.tile_size, arguments.margin, arguments.threshold
    )
    slide, mask = Levels(arguments.slide), Levels(arguments.mask)
    region = region_of_interest(slide, mask, settings)
    if region is None:
        print("# the mask is empty")
        return
    across, down = grid(region, settings)
    print(f"# {region} {across}x{down} tiles")
    for tile in kept_tiles(slide, mask, region, settings):
        print(tile.line(), end="")


if __name__ == "__main__":
    main()
