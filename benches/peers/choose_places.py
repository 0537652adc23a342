"""Chooses where jobs C and D read, the same for all: `choose_places.py OUT.json`.

Random patches are centred on foreground pixels of the mask's lowest level; the sweep is the square
of 20 x 20 tiles, on the grid of stored tiles, that holds most foreground.
"""

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from places import EXAMPLES, FIXTURES

COUNT, SIZE = 400, 224
SIDE, TILE, STORED = 20, 256, 512
SEED = 20


def main() -> None:
    """Writes both lists of level-0 pixels."""
    out = Path(sys.argv[1])
    picture = out.with_suffix(".png")
    mask = FIXTURES / "slide_a_mask.tiff"
    subprocess.run([EXAMPLES / "read_lowest_level", mask, picture, "--json"], check=True,
                   stdout=subprocess.DEVNULL)
    foreground = np.asarray(Image.open(picture).convert("RGB"))[..., 0] > 0
    chosen = {"random": scattered(foreground), "sweep": sweep(foreground)}
    out.write_text(json.dumps(chosen))


def scattered(foreground: np.ndarray, scale: int = 16) -> list[list[int]]:
    """Patches anywhere in tissue, not on any grid."""
    rows, columns = np.nonzero(foreground)
    height, width = (side * scale for side in foreground.shape)
    chance = random.Random(SEED)
    places = []
    for _ in range(COUNT):
        index = chance.randrange(len(rows))
        x = int(columns[index]) * scale + chance.randrange(scale) - SIZE // 2
        y = int(rows[index]) * scale + chance.randrange(scale) - SIZE // 2
        places.append([min(max(x, 0), width - SIZE), min(max(y, 0), height - SIZE)])
    return places


def sweep(foreground: np.ndarray, scale: int = 16) -> list[list[int]]:
    """Tiles row by row over the fullest square."""
    side, step = SIDE * TILE // scale, STORED // scale
    height, width = foreground.shape
    corners = [(y, x) for y in range(0, height - side, step) for x in range(0, width - side, step)]
    top, left = max(corners, key=lambda c: foreground[c[0] : c[0] + side, c[1] : c[1] + side].sum())
    return [
        [left * scale + column * TILE, top * scale + row * TILE]
        for row in range(SIDE)
        for column in range(SIDE)
    ]


if __name__ == "__main__":
    main()
