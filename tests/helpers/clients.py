"""Programs of others that ask a server of ours; `tests/clients/setup.py` installs them."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENTS = Path(
    os.environ.get("COMPOSER_CLIENTS") or Path.home() / ".cache" / "ensemble-composer-clients"
)
READY = CLIENTS / "ready"
PATIENCE = 120.0
"""The most seconds until a server answers."""


def run_client(*command, folder, timeout=280, **settings):
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


@contextlib.contextmanager
def served(*arguments, folder=ROOT, **settings):
    """Run `compose serve` with these arguments; give its address, without `/v1`."""
    with socket.socket() as probing:
        probing.bind(("127.0.0.1", 0))
        port = probing.getsockname()[1]
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "composer", "serve", *map(str, arguments), "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            command,
            cwd=folder,
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": paths, **settings},
        ) as process,
    ):
        try:
            _wait(f"{url}/health", process, log)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(url, process, log):
    """Wait until a server says that it is well."""
    end = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(url, timeout=5).close()
            return
        if process.poll() is not None or time.monotonic() > end:
            log.seek(0)
            pytest.fail(f"The server did not start:\n{log.read().decode(errors='replace')[-4000:]}")
        time.sleep(0.1)
