"""Servers that people use, each in an environment of its own that `tests/servers/setup.py` makes.

Each function starts one for a test, waits until it answers, gives its address, and ends it.
"""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

SERVERS = Path(
    os.environ.get("COMPOSER_SERVERS") or Path.home() / ".cache" / "ensemble-composer-servers"
)
MODELS = Path(__file__).parents[3] / "shared" / "data" / "models"
PATIENCE = 600.0


def llama_cpp(file):
    """Serve a GGUF file with llama-cpp-python, in full precision and without dropped requests."""
    options = ("--n_ctx", "512", "--type_k", "0", "--type_v", "0", "--interrupt_requests", "False")
    return _server(
        "llama", "python", "-m", "llama_cpp.server", "--model", file, *options, port="--port"
    )


def transformers_serve(folder):
    """Serve the model of a folder with `transformers serve`; its name is the folder's path."""
    options = ("--device", "cpu", "--dtype", "float32")
    return _server("transformers", "transformers", "serve", folder, *options, port="--port")


def vllm(folder, *options):
    """Serve the model of a folder with vLLM on the CPU, under the folder's name."""
    name = ("--served-model-name", Path(folder).name)
    least = ("--dtype", "float32", "--max-model-len", "512", "--max-num-seqs", "32")
    return _server(
        "vllm",
        *("vllm", "serve", folder, *name, *least, "--enforce-eager", *options),
        port="--port",
        VLLM_CPU_KVCACHE_SPACE="1",
    )


def version(server, package):
    """Give the version of a package in a server's environment."""
    (facts,) = (SERVERS / server).glob(f"lib/python*/site-packages/{package}-*.dist-info")
    return facts.name.removesuffix(".dist-info").rpartition("-")[2]


def gguf(name):
    """Give a GGUF file of the stories models; skip the test where there is none."""
    return _there(MODELS / f"{name}.gguf")


def stories(name):
    """Give the folder of a stories model; skip the test where there is none."""
    return _there(MODELS / name)


def _there(path):
    if not path.exists():
        pytest.skip("the folder shared/data is not beside this checkout")
    return path


@contextlib.contextmanager
def _server(server, program, *arguments, port, **settings):
    """Start a program of a server's environment; give its address once it answers."""
    programs = SERVERS / server / "bin"
    if not (programs.parent / "ready").exists():
        pytest.skip(f"{server} is not installed: run `python tests/servers/setup.py {server}`")
    with socket.socket() as probing:
        probing.bind(("127.0.0.1", 0))
        number = probing.getsockname()[1]
    command = [programs / program, *arguments, "--host", "127.0.0.1", port, str(number)]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "HF_HUB_OFFLINE": "1",
        **settings,
    }
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            [str(each) for each in command],
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        ) as process,
    ):
        try:
            url = f"http://127.0.0.1:{number}/v1"
            _wait(url, process, log)
            yield url
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _wait(url, process, log):
    """Wait until a server lists its models."""
    end = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(f"{url}/models", timeout=5).close()
            return
        if process.poll() is not None or time.monotonic() > end:
            log.seek(0)
            text = log.read().decode(errors="replace")
            pytest.fail(f"The server did not start:\n{text[-4000:]}")
        time.sleep(0.2)
