"""The results as a picture: `chart.py RESULTS.json CHART.png`."""

import json
import math
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from contenders import OURS
from table import medians, milliseconds

COLUMNS = 3
OURS_COLOUR, PEER_COLOUR = "#c44536", "#8d99ae"


def main() -> None:
    """A panel a job, a bar a contender, on a scale of its own that begins at 0."""
    results = json.loads(Path(sys.argv[1]).read_text())
    jobs = results["jobs"]
    abouts = results["contenders"]
    inexact = {name for name in abouts if not abouts[name].get("exact", True)}
    down = math.ceil(len(jobs) / COLUMNS)
    figure, axes = plt.subplots(
        down, COLUMNS, figsize=(5 * COLUMNS, 2.4 * down), squeeze=False, layout="constrained"
    )
    for axis in axes.flat[len(jobs) :]:
        axis.set_visible(False)
    for axis, (name, job) in zip(axes.flat, jobs.items()):
        panel(axis, name, job, inexact)
    machine = results["machine"]
    figure.suptitle(
        f"Median milliseconds inside the process, and how many times ours: "
        f"{machine['cpu']}, {machine['cores']} cores  (* pixels differ)"
    )
    figure.savefig(sys.argv[2], dpi=110)


def panel(axis: plt.Axes, name: str, job: dict, inexact: set[str]) -> None:
    """One job's bars, the fastest on top; a star for those whose pixels differ."""
    figures = {who: medians(row) for who, row in job["contenders"].items()}
    known = {who: figure[1] for who, figure in figures.items() if figure}
    order = sorted(known, key=known.get, reverse=True)
    values = [known[who] * 1e3 for who in order]
    colours = [OURS_COLOUR if who == OURS else PEER_COLOUR for who in order]
    names = [f"{who} *" if who in inexact else who for who in order]
    bars = axis.barh(names, values, color=colours)
    ours = known.get(OURS)
    labels = [
        f" {milliseconds(known[who])}"
        + (f"  ({known[who] / ours:.1f} ×)" if ours and who != OURS else "")
        for who in order
    ]
    axis.bar_label(bars, labels, fontsize=8)
    axis.set_xlim(0, max(values, default=1) * 1.35)
    axis.set_title(f"{name}: {job['title']}", fontsize=9)
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main()
