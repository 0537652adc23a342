"""Who takes part: how each is started for a job, and where its answer says how long it took."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from environment import PYTHON
from places import EXAMPLES, HERE, OUT

PEERS = ("openslide", "cucim", "fastslide", "tiffslide", "tifffile", "pyvips")
OURS = "wsi"


class Skip(Exception):
    """A contender cannot take part in a job, and why."""


@dataclass
class Contender:
    """Something that does jobs in processes of its own."""

    name: str
    error: str | None = None
    """Why it takes part in nothing."""
    about: dict[str, Any] = field(default_factory=dict)
    """Versions, and whether it is exact, once it has answered."""

    def commands(self, spec: dict[str, Any], scratch: Path) -> list[list[str]]:
        """The processes that do a job, one after the other."""
        raise NotImplementedError

    def seconds(self, spec: dict[str, Any], answers: list[str]) -> float:
        """What the job took inside of them, by what they have printed."""
        raise NotImplementedError


class Worker(Contender):
    """A peer that reads the job's spec from a file."""

    def program(self) -> list[str]:
        """What comes before the spec."""
        return [str(PYTHON), str(HERE / "worker.py"), self.name]

    def commands(self, spec: dict[str, Any], scratch: Path) -> list[list[str]]:
        path = scratch / f"{self.name}.json"
        path.write_text(json.dumps(spec))
        return [[*self.program(), str(path)]]

    def seconds(self, spec: dict[str, Any], answers: list[str]) -> float:
        answer = json.loads(answers[0])
        self.about.update(answer.get("about", {}))
        return answer["seconds"]


class RustPeer(Worker):
    """The program of `rust/`."""

    def program(self) -> list[str]:
        return [str(OUT / "rust/release/peer")]


class Ours(Contender):
    """The release examples, a process a file, as people run them."""

    def commands(self, spec: dict[str, Any], scratch: Path) -> list[list[str]]:
        return getattr(self, spec["kind"])(spec, scratch)

    def seconds(self, spec: dict[str, Any], answers: list[str]) -> float:
        key = "open" if spec["kind"] == "opening" else "total"
        return sum(json.loads(answer)["seconds"][key] for answer in answers)

    def lowest(self, spec: dict[str, Any], scratch: Path) -> list[list[str]]:
        """Job A."""
        out = Path(spec["out"])
        return [
            [example("read_lowest_level"), path, str(out / f"{Path(path).stem}.png"), "--json"]
            for path in spec["files"]
        ]

    def tiling(self, spec: dict[str, Any], scratch: Path) -> list[list[str]]:
        """Job B; what stays in memory is checked by what is saved."""
        out = spec.get("out") or (spec.get("dump") and f"{spec['dump']}.folder")
        save = ["--save", "png", "--out", out, "--overwrite"] if out else ["--save", "none"]
        settings = {
            "--level": spec["level"],
            "--tile-size": spec["tile_size"],
            "--margin": spec["margin"],
            "--occupancy": spec["threshold"],
        }
        options = [str(part) for pair in settings.items() for part in pair]
        return [
            [example("tile_slide"), slide, "--mask", mask, *options, *save, "--json"]
            for slide, mask in spec["pairs"]
        ]

    def patches(self, spec: dict[str, Any], scratch: Path) -> list[list[str]]:
        """Jobs C and D."""
        places = scratch / "locations.json"
        places.write_text(json.dumps(spec["locations"]))
        command = [example("read_patches"), spec["slide"], "--level", str(spec["level"])]
        command += ["--locations", str(places), "--size", str(spec["size"])]
        command += ["--threads", str(spec["threads"]), "--backend", "pure", "--json"]
        return [command + (["--dump", spec["dump"]] if spec.get("dump") else [])]

    def opening(self, spec: dict[str, Any], scratch: Path) -> list[list[str]]:
        """Job E."""
        if spec["count"] > 1:
            raise Skip("no program of ours opens twice")
        return [[example("read_lowest_level"), spec["slide"], str(scratch / "e.png"), "--json"]]


def example(name: str) -> str:
    """One of our programs."""
    path = EXAMPLES / name
    if not path.exists():
        raise Skip(f"no {name}")
    return str(path)
