"""Programs of others that ask a server of ours; `tests/clients/setup.py` installs them."""

import os
import subprocess
from pathlib import Path

import pytest

CLIENTS = Path(
    os.environ.get("COMPOSER_CLIENTS") or Path.home() / ".cache" / "ensemble-composer-clients"
)
READY = CLIENTS / "ready"


def run_client(*command, folder, timeout=900, **settings):
    """Run a program of the environment in a folder; give what it prints, and fail as it fails.

    It reaches no hub, and keeps what it keeps in that folder.
    """
    if not READY.exists():
        pytest.skip("the clients are not installed: run `python tests/clients/setup.py`")
    programs = CLIENTS / "bin"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "HF_HOME": str(folder / "hub"),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "DSPY_CACHEDIR": str(folder / "dspy"),
        "OPENAI_API_KEY": "none",
        "NO_PROXY": "*",
        "DO_NOT_TRACK": "1",
        **settings,
    }
    done = subprocess.run(
        [str(each) for each in command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"{command[0]}:\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
    return done.stdout + done.stderr
