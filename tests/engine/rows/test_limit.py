import subprocess
import sys
from pathlib import Path

import pytest

LIMIT = Path(__file__).parents[3] / "benchmarks" / "limit.py"


@pytest.mark.slow
def test_the_benchmark_of_the_cpu_limit_runs_with_tiny_models():
    command = [sys.executable, str(LIMIT), "--tiny", "--blocks", "1", "--markdown"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    cells = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()]
    speeds = {name: float(speed) for name, speed, _ in cells[2:]}
    assert list(speeds) == ["product", "layers", "engine", "shared", "union", "loop"]
    assert all(speed > 0 for speed in speeds.values())
