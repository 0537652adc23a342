"""Compares what the contenders of a job have read: `check.py REQUEST.json`.

The request names each contender's output (a folder of PNGs, a .npz or a .npy) and the one that the
others are held against. Prints a JSON object: for each contender how many pictures there are, how
many differ, where the first differing pixel is, and how far off; of folders also their bytes, and
how these compare with Pillow's default setting for the same pixels.
"""

import io
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


class Folder(Mapping[str, np.ndarray]):
    """Pictures of a folder by their relative path; a mask's first channel."""

    def __init__(self, folder: Path) -> None:
        self.paths = {str(p.relative_to(folder)): p for p in sorted(folder.rglob("*.png"))}
        for name in [name for name in self.paths if name.endswith("overview.png")]:
            del self.paths[name]

    def __getitem__(self, name: str) -> np.ndarray:
        pixels = np.asarray(Image.open(self.paths[name]).convert("RGB"))
        return pixels[..., 0] if "train_label_masks" in name else pixels

    def __iter__(self) -> Any:
        return iter(self.paths)

    def __len__(self) -> int:
        return len(self.paths)


def load(path: Path) -> Mapping[str, np.ndarray]:
    """The pictures of an output, whatever it is."""
    folder = path.with_name(f"{path.name}.folder")
    if path.is_dir() or folder.is_dir():
        return Folder(path if path.is_dir() else folder)
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return {name: arrays[name] for name in sorted(arrays)}
    return {f"patch {index}": patch for index, patch in enumerate(np.load(path))}


def compare(reference: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """What differs."""
    report: dict[str, Any] = {"pictures": len(other), "different": 0}
    missing = sorted(set(reference) - set(other))
    extra = sorted(set(other) - set(reference))
    if missing or extra:
        report |= {"missing": len(missing), "extra": len(extra), "names": (missing + extra)[:4]}
    pixels = wrong = largest = 0
    for name in reference:
        if name not in other:
            continue
        a, b = reference[name], other[name]
        if a.shape != b.shape:
            report["different"] += 1
            report.setdefault("first", f"{name}: {b.shape} in place of {a.shape}")
            continue
        off = np.abs(a.astype(np.int16) - b)
        off = off.max(axis=2) if off.ndim == 3 else off
        pixels += off.size
        if off.any():
            report["different"] += 1
            y, x = np.argwhere(off)[0].tolist()
            told = f"{name} at ({x}, {y}): {b[y, x].tolist()} in place of {a[y, x].tolist()}"
            report.setdefault("first", told)
            wrong += int(np.count_nonzero(off))
            largest = max(largest, int(off.max()))
    if wrong:
        report |= {"share_of_pixels": wrong / pixels, "largest_difference": largest}
    report["equal"] = report["different"] == 0 and not missing and not extra
    return report


def sizes(folder: Folder) -> dict[str, Any]:
    """Bytes of the files, and how many times Pillow's default each has."""
    total = 0
    ratios = {}
    for name, path in folder.paths.items():
        total += path.stat().st_size
        if "/" not in name:  # Pillow's default is slow: the few large pictures only
            buffer = io.BytesIO()
            Image.open(path).convert("RGB").save(buffer, "png")
            ratios[name] = round(path.stat().st_size / buffer.tell(), 3)
    return {"bytes": total} | ({"times_pillow": ratios} if ratios else {})


def main() -> None:
    """Answers a request."""
    request = json.loads(Path(sys.argv[1]).read_text())
    outputs = {name: Path(path) for name, path in request["outputs"].items()}
    reference = load(outputs[request["reference"]])
    answer = {}
    for name, path in outputs.items():
        pictures = load(path)
        answer[name] = compare(reference, pictures)
        if path.is_dir() and isinstance(pictures, Folder):
            answer[name] |= sizes(pictures)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
