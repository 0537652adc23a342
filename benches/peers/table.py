"""The results as a Markdown page."""

import statistics
from typing import Any

from contenders import OURS


def render(results: dict[str, Any]) -> str:
    """A table a job."""
    machine = results["machine"]
    lines = [
        "# Peers",
        "",
        f"CPU: {machine['cpu']} (family {machine['family']}, model {machine['model']}), "
        f"{machine['cores']} cores; {machine['rustc']}, Python {machine['python']}; "
        f"revision {machine['revision']}, {machine['date']}; "
        f"files written to {results['written_to']}.",
        "",
        "; ".join(version_line(name, about) for name, about in results["contenders"].items()),
        "",
        "Milliseconds. *Process* is the wall time of the whole process, starting and imports "
        "included (of ours: of the processes, one a file). *wsi is … times as fast* compares "
        "medians.",
        "",
    ]
    for name, job in results["jobs"].items():
        lines += [f"## {name}: {job['title']}", "", *rows(job, results["contenders"]), ""]
    return "\n".join(lines)


def version_line(name: str, about: dict[str, Any]) -> str:
    """A contender and its packages."""
    packages = ", ".join(f"{package} {v}" for package, v in about.get("versions", {}).items())
    return f"{name}: {packages or about.get('error') or 'this repository'}"


def rows(job: dict[str, Any], abouts: dict[str, Any]) -> list[str]:
    """The lines of a job's table, the fastest first."""
    contenders = job["contenders"]
    ours = medians(contenders.get(OURS, {}))
    lines = [
        "| | best | median | process, median | wsi is … times as fast | by process | pixels |",
        "|---|---|---|---|---|---|---|",
    ]

    def order(name: str) -> float:
        figures = medians(contenders[name])
        return figures[1] if figures else float("inf")

    for name in sorted(contenders, key=order):
        row = contenders[name]
        figures = medians(row)
        if figures is None:
            lines.append(f"| {name} | SKIP | | | | | {row.get('error', '')} |")
            continue
        cells = [milliseconds(figure) for figure in figures]
        ratios = ["", ""]
        if ours and name != OURS:
            ratios = [f"{theirs / mine:.2f}" for theirs, mine in zip(figures[1:], ours[1:])]
        if job["kind"] == "opening":  # the processes do different things
            cells[2] = ratios[1] = ""
        label = f"**{name}**" if name == OURS else name
        note = told(row.get("check"), abouts.get(name, {}).get("exact", True))
        lines.append(f"| {' | '.join([label, *cells, *ratios, note])} |")
    return lines


def medians(row: dict[str, Any]) -> tuple[float, float, float] | None:
    """Best and median inside of the process, median of the process."""
    samples = row.get("samples")
    if not samples:
        return None
    seconds = [sample["seconds"] for sample in samples]
    walls = [sample["wall"] for sample in samples]
    return min(seconds), statistics.median(seconds), statistics.median(walls)


def milliseconds(seconds: float) -> str:
    """Three digits."""
    value = seconds * 1e3
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def told(check: dict[str, Any] | None, exact: bool) -> str:
    """What the check has found, in a few words."""
    if check is None:
        return ""
    words = [f"{check['pictures']} equal" if check["equal"] else different(check, exact)]
    if "bytes" in check:
        words.append(f"{check['bytes'] / 1e6:.1f} MB")
    if "times_pillow" in check:
        name, ratio = max(check["times_pillow"].items(), key=lambda item: item[1])
        words.append(f"at most {ratio:.2f} times Pillow's default ({name})")
    return ", ".join(words)


def different(check: dict[str, Any], exact: bool) -> str:
    """How far off pixels are."""
    words = f"{check['different']} of {check['pictures']} differ"
    if "largest_difference" in check:
        share, most = check["share_of_pixels"], check["largest_difference"]
        words += f" (in {share:.0%} of the pixels, by up to {most})"
    if check.get("missing") or check.get("extra"):
        words += f"; {check['missing']} missing, {check['extra']} too many"
    return f"**WRONG**: {words}" if exact else f"not exact: {words}"


def ours_differ(results: dict[str, Any]) -> bool:
    """Whether any pixels of ours are not OpenSlide's."""
    checks = [job["contenders"].get(OURS, {}).get("check") for job in results["jobs"].values()]
    return any(c and c["against"] == "openslide" and not c["equal"] for c in checks)
