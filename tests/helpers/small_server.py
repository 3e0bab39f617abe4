"""A real small OpenAI-compatible server, which gives what vLLM gives, in vLLM's shapes.

    python tests/helpers/small_server.py --model FOLDER --port 0

prints its address when it is ready. `serving` starts one for a test. `--lacks` makes it a lesser
server, which ignores what it lacks, as real ones do; `--refuses` answers such a request with 400.
`GET /stats` tells what it was asked and what that cost; `DELETE /stats` forgets it.
"""

import argparse
import contextlib
import gc
import os
import signal
import socket
import sys
import tempfile
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path

ABLE = frozenset(
    {
        *("batch", "chat", "chosen_ids", "completions", "continues", "echo", "echo_only"),
        *("embeddings", "ids", "logit_bias", "logprobs", "min_p", "min_tokens", "models", "n"),
        *("penalties", "prompt_ids", "repetition_penalty", "schema", "seed", "separation"),
        *("stop", "stream", "tokenize", "top", "top_k", "usage"),
    }
)


@dataclass(frozen=True)
class Options:
    """How a server differs from a whole one, what it costs, and how fast it is.

    One that lacks `separation` gives no likeliest tokens in a step in which chosen ones are wanted,
    as vLLM 0.32 does.

    `lacks` and `refuses` name what it does not give; `top` is the most likeliest tokens at a
    position, `chosen` the most chosen ids, `step_ms` the least time of a step, `key` what a request
    must show, and `price` dollars for a million tokens read and written.
    """

    model: str
    name: str = ""
    lacks: frozenset[str] = frozenset()
    refuses: frozenset[str] = frozenset()
    top: int = 20
    chosen: int = 128
    step_ms: float = 0.0
    key: str = ""
    price: tuple[float, float] = (0.0, 0.0)


@contextlib.contextmanager
def serving(folder, *, lacks="", refuses="", **options):
    """Serve the model of a folder in a process of its own; give the address, ending in /v1.

    The process is a fork of this one, so that it need not import torch again.
    """
    settings = Options(
        str(folder), lacks=frozenset(lacks.split()), refuses=frozenset(refuses.split()), **options
    )
    _check(settings)
    with _listener(0) as listener:
        port = listener.getsockname()[1]
        import small_app  # noqa: F401  # before the fork: later ones have it too

        gc.freeze()  # nothing of this process is closed in the fork
        log = tempfile.NamedTemporaryFile(prefix="small-server-", suffix=".log")  # noqa: SIM115
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # no other thread is needed there
            child = os.fork()
            if not child:
                _become(settings, listener, log)
        gc.unfreeze()
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        ended, status = os.waitpid(child, os.WNOHANG)
        if not ended:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        output = Path(log.name).read_text()
        log.close()
        if ended:
            raise RuntimeError(f"The small server ended by itself ({status}):\n{output}")


def _listener(port):
    """Listen at a port. asyncio sends at once only where the protocol is named."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(1024)
    return listener


def _become(options, listener, log):
    """Be the server, until the end of this process."""
    try:
        _die_with_the_parent()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        warnings.resetwarnings()  # what is an error in a test is none in a server
        for number in (1, 2):
            os.dup2(log.fileno(), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1) for number in (1, 2))
        _serve(options, listener)
    finally:
        traceback.print_exc()
        os._exit(1)


def _die_with_the_parent():
    """Ask Linux to end this process when the test's ends, however it does."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _serve(options, listener):
    import uvicorn
    from small_app import app
    from transformers.utils import logging

    logging.disable_progress_bar()  # its lock would outlive this process

    server = uvicorn.Server(
        uvicorn.Config(app(options), log_level="warning", access_log=False, lifespan="off")
    )
    server.run(sockets=[listener])


def _check(options):
    unknown = (options.lacks | options.refuses) - ABLE
    if unknown:
        raise SystemExit(f"{sorted(unknown)} is nothing to lack; there are {sorted(ABLE)}.")


def main():
    """Serve a model until this is stopped."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words = {"type": lambda text: frozenset(text.split(",")), "default": frozenset()}
    parser.add_argument("--model", required=True, help="a folder")
    parser.add_argument("--name", default="", help="what requests call it; else the folder's name")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--lacks", **words, help=f"some of {','.join(sorted(ABLE))}")
    parser.add_argument("--refuses", **words, help="the same, with 400")
    parser.add_argument("--top", type=int, default=20)
    parser.add_argument("--chosen", type=int, default=128)
    parser.add_argument("--step-ms", type=float, default=0.0)
    parser.add_argument("--key", default="")
    parser.add_argument("--price", type=float, nargs=2, default=(0.0, 0.0))
    given = vars(parser.parse_args())
    port = given.pop("port")
    options = Options(**given)
    _check(options)
    with _listener(port) as listener:
        sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}/v1\n")
        sys.stdout.flush()
        _serve(options, listener)


if __name__ == "__main__":
    main()
