"""The command in a process of its own, forked from one that has imported it already.

Such a process costs a tenth of a new interpreter. Nothing but the imports is shared: the server
runs no verb itself, has no threads, and never looks for plugins.
"""

import atexit
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
from functools import cache
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("syntax", "steps", "methods", "compiler", "run", "backends", "cli")


def compose(*arguments, cwd, env=None, stdin=b""):
    """Run the command; return what `subprocess.run` would, with bytes."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "0").write_bytes(stdin)
        settings = dict(os.environ if env is None else env)
        request = {"arguments": arguments, "cwd": str(cwd), "env": settings, "streams": folder}
        server = _server()
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        status = json.loads(server.stdout.readline())
        out, err = ((Path(folder) / name).read_bytes() for name in ("1", "2"))
    return subprocess.CompletedProcess(arguments, status, out, err)


def in_words(*arguments, **options):
    """Do the same with texts."""
    done = compose(*arguments, **options)
    texts = (done.stdout.decode(), done.stderr.decode())
    return subprocess.CompletedProcess(arguments, done.returncode, *texts)


@cache
def _server():
    server = subprocess.Popen(
        [sys.executable, __file__],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(server.communicate)
    return server


def serve():
    """Answer requests, one a line, each with the exit status of a fork."""
    for package in PACKAGES:
        folder = ROOT / "composer" / package
        for module in pkgutil.walk_packages([str(folder)], f"composer.{package}."):
            import_module(module.name)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _become(**json.loads(line))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _become(arguments, cwd, env, streams):
    """Be the command, from its first line to its end."""
    from composer.cli import main

    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.path[:0] = env.get("PYTHONPATH", "").split(os.pathsep)
    for number in range(3):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT
        os.dup2(os.open(f"{streams}/{number}", flags), number)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)  # the server's was read from
    status = 1
    try:
        main(arguments)
    except SystemExit as ended:
        status = ended.code or 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    serve()
