"""`compose serve` in a process of its own."""

from __future__ import annotations

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from urllib.error import HTTPError

ROOT = Path(__file__).parents[2]


class ServeProcess:
    """A server that was started with arguments; it is ready when this is made."""

    def __init__(self, *arguments, folder, ready="ready", **environment):
        command = [sys.executable, "-m", "composer", "serve", *arguments, "--port", "0"]
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        self.lines, self._queue = [], queue.Queue()
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": path} | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.wait_for(ready)
        except BaseException:
            self.process.kill()
            raise
        found = re.search(r"http://\S+(?=/v1)", "\n".join(self.lines))
        self.address = found and found.group()

    def _read(self):
        for line in self.process.stderr:
            self._queue.put(line.rstrip("\n"))
        self._queue.put(None)

    def wait_for(self, start):
        """Read lines until one begins so."""
        while True:
            line = self._queue.get(timeout=180)
            assert line is not None, "\n".join(["the server has ended:", *self.lines])
            self.lines.append(line)
            if line.startswith(start):
                return line

    def ask(self, path, body=None, key=None):
        """Put a request; return the status and what came back."""
        headers = {"Content-Type": "application/json"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=180) as reply:
                return reply.status, reply.read()
        except HTTPError as error:
            return error.code, error.read()

    def send(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def end(self, number=signal.SIGTERM):
        """Send a signal, and return the exit status."""
        self.send(number)
        return self.ended()

    def ended(self):
        """Wait for the end, and return the exit status; the rest of the lines is read."""
        status = self.process.wait(180)
        while (line := self._queue.get(timeout=180)) is not None:
            self.lines.append(line)
        return status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self._reader.join()
        self.process.stderr.close()
