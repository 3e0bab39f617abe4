"""Start-up of each verb that needs no model, as a ratio to the bare imports it stands on.

    python benchmarks/startup.py [--runs 15]

Each command runs cold, in a process of its own, in turn with the bare imports, so that a noisy
machine meets both alike; figures are medians of CPU seconds (user and system) and their ratios.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

COMPOSE = str(Path(sys.executable).with_name("compose"))
BARE = [sys.executable, "-c", "import lark, pydantic, rich, yaml"]
MISSION = str(Path(__file__).parents[1] / "recipes" / "mission.ens")
VERBS = {
    "check": ["check", MISSION],
    "plan": ["plan", MISSION],
    "explain": ["explain", MISSION],
    "ls steps": ["ls", "steps"],
    "ls recipes": ["ls", "recipes"],
}
KEEPING = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
"""The environment in which byte-code is kept, as it is for who installs the package."""


def cpu_seconds(command: list[str]) -> float:
    """Run a command; return the CPU seconds that it took, to the microsecond."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, env=KEEPING)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    """Print a row for each verb."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    print(f"{'verb':<12}{'bare ms':>9}{'verb ms':>9}{'ratio':>7}")
    for verb, arguments in VERBS.items():
        command = [COMPOSE, *arguments]
        pairs = [(cpu_seconds(BARE), cpu_seconds(command)) for _ in range(runs + 1)][1:]
        bare, ours = (statistics.median(each) * 1000 for each in zip(*pairs, strict=True))
        ratio = statistics.median(b / a for a, b in pairs)
        print(f"{verb:<12}{bare:>9.0f}{ours:>9.0f}{ratio:>7.2f}")


if __name__ == "__main__":
    main()
