"""The jobs, written once for all peers.

Each returns the seconds that it took and what it has read. The tiling job is the published one as
DESIGN.md states it, twice: `published` reads as its scripts do, `best` reads only what is needed,
in as many threads as the machine of the published page has.
"""

import dataclasses
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from peers.base import Level, Rect, each


# Job A: the lowest level


def lowest(peer: Any, spec: dict[str, Any]) -> tuple[float, None]:
    """Opens each file, reads its lowest level whole, and saves it."""
    before = time.perf_counter()
    save = peer.save_png_fast if spec["best"] else peer.save_png
    for path in spec["files"]:
        slide = peer.Slide(path, 1)
        level = len(slide.levels) - 1
        size = slide.levels[level]
        pixels = slide.region(level, Rect(0, 0, size.width, size.height))
        save(pixels, Path(spec["out"]) / f"{Path(path).stem}.png")
        slide.close()
    return time.perf_counter() - before, None


# Job B: tiles


@dataclasses.dataclass
class Tiles:
    """The kept tiles of a slide."""

    names: list[str]
    occupancies: list[float]
    images: np.ndarray
    masks: np.ndarray


@dataclasses.dataclass(frozen=True)
class Plan:
    """The region of interest and the grid laid over it."""

    level: int
    tile: int
    origin: tuple[int, int]
    """In pixels of level 0."""
    region: Rect
    left: int
    top: int
    columns: int
    rows: int

    @property
    def padding(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Before and after, for rows and columns."""
        right = self.columns * self.tile - self.region.width - self.left
        bottom = self.rows * self.tile - self.region.height - self.top
        return (self.top, bottom), (self.left, right)

    def name(self, column: int, row: int, downsample: float) -> str:
        """What a tile is called: by its place in level 0."""
        x = int(downsample * (column * self.tile - self.left) + self.origin[0])
        y = int(downsample * (row * self.tile - self.top) + self.origin[1])
        return f"{x:05d}x_{y:05d}y"

    def part(self, column: int, row: int) -> tuple[Rect, slice, slice]:
        """What of a tile lies in the region: where it is in the level, and where in the tile."""
        x, y = column * self.tile - self.left, row * self.tile - self.top
        x0, y0 = max(x, 0), max(y, 0)
        x1, y1 = min(x + self.tile, self.region.width), min(y + self.tile, self.region.height)
        rect = Rect(self.region.x + x0, self.region.y + y0, x1 - x0, y1 - y0)
        return rect, slice(y0 - y, y1 - y), slice(x0 - x, x1 - x)


def tiling(peer: Any, spec: dict[str, Any]) -> tuple[float, dict[str, Tiles]]:
    """Cuts each slide into tiles and, where there is a folder to write into, saves them."""
    before = time.perf_counter()
    cut = best if spec["best"] else published
    threads = spec["threads"] if spec["best"] else 1
    result = {}
    for image, mask in spec["pairs"]:
        slide, labels = peer.Slide(image, threads), peer.Slide(mask, threads)
        tiles = cut(slide, labels, spec)
        slide.close()
        labels.close()
        result[Path(image).stem] = tiles
        if spec.get("out"):
            save(peer, tiles, Path(spec["out"]) / Path(image).stem, spec, threads)
    return time.perf_counter() - before, result


def published(slide: Any, mask: Any, spec: dict[str, Any]) -> Tiles:
    """Both regions are read whole, padded, cut, and only then sorted out."""
    size = mask.levels[-1]
    whole = Rect(0, 0, size.width, size.height)
    plan = make_plan(mask.region(len(mask.levels) - 1, whole)[..., 0], size, slide.levels, spec)
    labels = np.pad(mask.region(plan.level, plan.region)[..., 0], plan.padding)
    image = np.pad(
        slide.region(plan.level, plan.region), (*plan.padding, (0, 0)), constant_values=255
    )
    t = plan.tile
    masks = labels.reshape(plan.rows, t, plan.columns, t).swapaxes(1, 2).reshape(-1, t, t)
    images = image.reshape(plan.rows, t, plan.columns, t, 3).swapaxes(1, 2).reshape(-1, t, t, 3)
    occupancies = (masks > 0).mean(axis=(-2, -1))
    kept = np.flatnonzero(occupancies > spec["threshold"])
    downsample = slide.levels[plan.level].downsample
    names = [plan.name(i % plan.columns, i // plan.columns, downsample) for i in kept.tolist()]
    return Tiles(names, occupancies[kept].tolist(), images[kept], masks[kept])


def best(slide: Any, mask: Any, spec: dict[str, Any]) -> Tiles:
    """The mask is read first, and of the slide only what kept tiles cover."""
    size = mask.levels[-1]
    whole = Rect(0, 0, size.width, size.height)
    plan = make_plan(mask.labels(len(mask.levels) - 1, whole), size, slide.levels, spec)
    t = plan.tile
    labels = np.zeros((plan.rows * t, plan.columns * t), np.uint8)
    (top, _), (left, _) = plan.padding
    inside = labels[top : top + plan.region.height, left : left + plan.region.width]
    inside[...] = mask.labels(plan.level, plan.region)
    cells = labels.reshape(plan.rows, t, plan.columns, t)
    counts = np.stack([np.count_nonzero(row, axis=(0, 2)) for row in cells])
    kept = np.argwhere(counts / (t * t) > spec["threshold"]).tolist()

    downsample = slide.levels[plan.level].downsample
    images = np.full((len(kept), t, t, 3), 255, np.uint8)
    masks = np.empty((len(kept), t, t), np.uint8)
    rects, targets = [], []
    for index, (row, column) in enumerate(kept):
        rect, rows, columns = plan.part(column, row)
        rects.append(rect)
        targets.append(images[index, rows, columns])
        masks[index] = cells[row, :, column]
    slide.fill(plan.level, rects, targets)
    names = [plan.name(column, row, downsample) for row, column in kept]
    return Tiles(names, [counts[row, column] / (t * t) for row, column in kept], images, masks)


def make_plan(
    lowest: np.ndarray, size: Level, levels: list[Level], spec: dict[str, Any]
) -> Plan:
    """The box around the foreground, with its margin, clipped to the slide, at the level."""
    foreground = lowest > 0
    columns, rows = np.flatnonzero(foreground.any(axis=0)), np.flatnonzero(foreground.any(axis=1))
    margin, scale = spec["margin"], size.downsample
    x, y = int(columns[0]) - margin, int(rows[0]) - margin
    width = int(columns[-1]) - int(columns[0]) + 1 + 2 * margin
    height = int(rows[-1]) - int(rows[0]) + 1 + 2 * margin
    x, y, width, height = (int(number * scale) for number in (x, y, width, height))

    right, bottom = min(x + width, levels[0].width), min(y + height, levels[0].height)
    x, y = max(x, 0), max(y, 0)
    level, tile = spec["level"], spec["tile_size"]
    downsample = levels[level].downsample
    width, height = int((right - x) * (1.0 / downsample)), int((bottom - y) * (1.0 / downsample))
    pad_x, pad_y = -width % tile, -height % tile
    return Plan(
        level=level,
        tile=tile,
        origin=(x, y),
        region=Rect(int(x / downsample), int(y / downsample), width, height),
        left=pad_x // 2,
        top=pad_y // 2,
        columns=(width + pad_x) // tile,
        rows=(height + pad_y) // tile,
    )


def save(peer: Any, tiles: Tiles, folder: Path, spec: dict[str, Any], threads: int) -> None:
    """A PNG a tile, a PNG a mask and a table, as the published scripts lay them out."""
    for name in ("train_images", "train_label_masks"):
        (folder / name).mkdir(parents=True)

    save_png = peer.save_png_fast if spec["fast_png"] else peer.save_png

    def pair(index: int) -> None:
        save_png(tiles.images[index], image_path(folder, tiles.names[index]))
        mask = tiles.masks[index]
        if not spec["best"]:
            mask = np.repeat(mask[..., None], 3, axis=-1)  # the published masks are RGB
        save_png(mask, mask_path(folder, tiles.names[index]))

    each(threads, pair, range(len(tiles.names)))
    with (folder / "dataset.csv").open("w") as table:
        table.write("slide_id,tile_id,image,mask,occupancy\n")
        for name, share in zip(tiles.names, tiles.occupancies, strict=True):
            image, mask = image_path(folder, name).name, mask_path(folder, name).name
            table.write(f"{folder.name},{folder.name}.{name},{image},{mask},{share}\n")


def image_path(folder: Path, name: str) -> Path:
    """Where a tile goes."""
    return folder / "train_images" / f"{name}.png"


def mask_path(folder: Path, name: str) -> Path:
    """Where a tile's mask goes."""
    return folder / "train_label_masks" / f"{name}_mask.png"


# Jobs C and D: patches


def patches(peer: Any, spec: dict[str, Any]) -> tuple[float, np.ndarray]:
    """Reads squares of one size, each when it is asked for or, in a sweep, all together.

    The memory that they go to is there before.
    """
    size = spec["size"]
    out = np.empty((len(spec["locations"]), size, size, 3), np.uint8)
    out.fill(1)
    rects = [Rect(x, y, size, size) for x, y in spec["locations"]]
    before = time.perf_counter()
    slide = peer.Slide(spec["slide"], spec["threads"])
    read = slide.fill if spec["sweep"] else slide.patches
    read(spec["level"], rects, list(out))
    slide.close()
    return time.perf_counter() - before, out


# Job E: opening


def opening(peer: Any, spec: dict[str, Any]) -> tuple[float, None]:
    """Opens a slide so many times; the middle of what one opening took."""
    seconds = []
    for _ in range(spec["count"]):
        before = time.perf_counter()
        slide = peer.Slide(spec["slide"], 1)
        sizes = [(level.width, level.height) for level in slide.levels]
        seconds.append(time.perf_counter() - before)
        slide.close()
        assert len(sizes) == len(slide.levels)
    return statistics.median(seconds), None


def dump(result: Any, path: str) -> None:
    """Leaves what a job has read for `check.py`."""
    if isinstance(result, np.ndarray):
        np.save(path, result)
    elif isinstance(result, dict):
        np.savez(path, **dict(_arrays(result)))


def _arrays(slides: dict[str, Tiles]) -> Iterator[tuple[str, np.ndarray]]:
    for slide, tiles in slides.items():
        folder = Path(slide)
        for name, image, mask in zip(tiles.names, tiles.images, tiles.masks, strict=True):
            yield str(image_path(folder, name)), image
            yield str(mask_path(folder, name)), mask
