"""Does one job with one peer, in a process of its own: `worker.py PEER SPEC.json`.

Prints one line of JSON: the seconds that the job took after the imports, and, if the job's `dump`
is set, leaves there what was read, which is not timed.
"""

import importlib
import json
import sys
from importlib.metadata import version

import workloads


def main() -> None:
    """Runs the job and prints what it took."""
    peer = importlib.import_module(f"peers.{sys.argv[1]}")
    with open(sys.argv[2]) as file:
        spec = json.load(file)
    job = getattr(workloads, spec["kind"])
    seconds, result = job(peer, spec)
    answer: dict[str, object] = {"seconds": seconds}
    if spec.get("dump"):
        workloads.dump(result, spec["dump"])
    if spec.get("about"):
        versions = {name: version(name) for name in peer.PACKAGES}
        answer["about"] = {"versions": versions, "exact": peer.EXACT}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
