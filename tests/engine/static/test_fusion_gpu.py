"""The benchmark for one GPU, run on a CPU with tiny models."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "fusion_gpu.py"


@pytest.mark.slow
def test_the_benchmark_of_one_gpu_runs_on_a_cpu_with_tiny_models(tmp_path):
    output = tmp_path / "found.json"
    command = [sys.executable, str(BENCHMARK), "--tiny", "--device", "cpu", "--output", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    found = json.loads(output.read_text())["sections"]
    assert set(found) == {"product", "steps", "prefill", "first token", "queries", "stacking"}
    assert {row["rows"] for row in found["steps"]} == {1, 2}
    assert all(row["ratio_to_own_steps"] > 0 for row in found["steps"])
    assert "left_out" not in str(found)
    assert all(f"## {section}" in done.stdout for section in found)
