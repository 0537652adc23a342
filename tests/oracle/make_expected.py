#!/usr/bin/env python3
"""Writes fixtures/published_job/: what the published job yields, for tests to compare ours with.

    cargo xtask fixtures
    python3 tests/oracle/make_expected.py

needs openslide-python, openslide-bin and numpy (the versions are in published_job.py) and some
minutes. The files say how they are to be read.
"""

import hashlib
import pathlib
import random
import time

import published_job
from published_job import Levels, Settings

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUT = ROOT / "fixtures/published_job"
BUNDLED = "CMU-1-Small-Region.svs"
MASKS = {
    BUNDLED: "CMU-1-Small-Region_mask.tiff",
    "slide_a.tiff": "slide_a_mask.tiff",
    "slide_b.tiff": "slide_b_mask.tiff",
}
SEED = 11
RANDOM_CASES = 50

HEADER = """\
# What tests/oracle/published_job.py yields: the published tiling job over OpenSlide 4.0.1.
# Made by tests/oracle/make_expected.py. Bundled files lie in fixtures/, the others are written by
# `cargo xtask fixtures`, and are those whose hashes are in MANIFEST beside this file.
#
# One line a case, `key=value` separated by one space:
#   slide, mask, level, tile_size (pixels), margin (pixels of the mask's lowest level), threshold
#   roi     x,y,width,height of the region of interest in pixels of the level, before padding
#   pad     left,top,right,bottom in pixels of the level
#   tiles   tiles in the grid
#   kept    tiles that are kept
#   digest  SHA-256 of the canonical listing of the kept tiles, in hex
#
# The canonical listing is ASCII, one line a kept tile, rows from top to bottom, tiles from left to
# right, each line ended by one line feed:
#   NAME TILE_X TILE_Y COUNT MASK_SHA256 IMAGE_SHA256
# NAME is {x:05}x_{y:05}y of the level-0 position TILE_X, TILE_Y, a sign counting as a digit; COUNT
# the mask pixels above 0; then the hashes of T*T bytes of labels (padding 0) and of T*T*3 bytes of
# RGB (padding 255), both row by row. default_job.txt is such a listing.
#
"""


def path_of(name: str) -> pathlib.Path:
    return ROOT / ("fixtures" if name.startswith("CMU") else "target/fixtures") / name


def default_cases() -> list[tuple[str, Settings]]:
    """The job as published, at the middle level."""
    return [
        (BUNDLED, Settings(level=0)),
        ("slide_a.tiff", Settings(level=1)),
        ("slide_b.tiff", Settings(level=1)),
    ]


def random_cases() -> list[tuple[str, Settings]]:
    """Level 0 of the large slides comes seldom: it takes most of the time."""
    draw = random.Random(SEED).random
    # Shares of the levels 0, 1 and 2.
    shares = {BUNDLED: (1.0, 1.0), "slide_a.tiff": (0.1, 0.6), "slide_b.tiff": (0.2, 0.6)}
    names = list(shares)
    cases = []
    for number in range(RANDOM_CASES):
        name = names[number % len(names)]
        share = draw()
        level = sum(share >= bound for bound in shares[name])
        cases.append(
            (
                name,
                Settings(
                    level=level,
                    tile_size=32 + int(draw() * 481),
                    margin=int(draw() * 129),
                    threshold=int(draw() * 901) / 1000,
                ),
            )
        )
    return cases


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    slides = {name: Levels(str(path_of(name))) for name in MASKS}
    masks = {name: Levels(str(path_of(mask))) for name, mask in MASKS.items()}
    lines = []
    for number, (name, settings) in enumerate(default_cases() + random_cases()):
        started = time.monotonic()
        slide, mask = slides[name], masks[name]
        region = published_job.region_of_interest(slide, mask, settings)
        assert region is not None
        across, down = published_job.grid(region, settings)
        digest = hashlib.sha256()
        kept = 0
        listing = []
        for tile in published_job.kept_tiles(slide, mask, region, settings):
            line = tile.line()
            digest.update(line.encode())
            kept += 1
            if number == 0:
                listing.append(line)
        if number == 0:
            (OUT / "default_job.txt").write_text("".join(listing))
        lines.append(
            f"slide={name} mask={MASKS[name]} level={settings.level}"
            f" tile_size={settings.tile_size} margin={settings.margin}"
            f" threshold={settings.threshold}"
            f" roi={region.x},{region.y},{region.width},{region.height}"
            f" pad={region.left},{region.top},{region.right},{region.bottom}"
            f" tiles={across * down} kept={kept} digest={digest.hexdigest()}\n"
        )
        print(f"{time.monotonic() - started:6.1f} s  {lines[-1]}", end="", flush=True)
    (OUT / "expected.txt").write_text(HEADER + "".join(lines))
    (OUT / "MANIFEST").write_bytes((ROOT / "target/fixtures/MANIFEST").read_bytes())


if __name__ == "__main__":
    main()
