"""A server whose models are on a Ray cluster answers whole and in pieces."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

pytestmark = pytest.mark.ray

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server():
    pytest.importorskip("ray", reason="needs the extra `ray`")
    pytest.importorskip("fastapi", reason="needs the extra `serve`")
    command = [sys.executable, "-m", "composer", "serve", "recipes/mission.ens"]
    running = subprocess.Popen(
        [*command, "--ray", "local", "--port", "0"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    address = ""
    for line in running.stderr:
        address = address or "".join(re.findall(r"http://[\d.]+:\d+", line))
        if line.strip() == "ready":
            break
    yield address
    os.kill(running.pid, signal.SIGTERM)
    assert running.wait(60) == 0


def asked(address, **body):
    question = [{"role": "user", "content": "What is 17 plus 25?"}]
    text = json.dumps({"model": "mission", "messages": question, **body}).encode()
    request = Request(f"{address}/v1/chat/completions", text, {"content-type": "application/json"})
    with urlopen(request, timeout=120) as reply:
        return reply.read().decode()


def test_it_answers(server):
    reply = json.loads(asked(server))
    assert reply["choices"][0]["message"]["content"] == " 42"
    assert reply["ensemble"]["members"]["A"]["calls"] == 2


def test_it_streams(server):
    events = [line[6:] for line in asked(server, stream=True).splitlines() if line[:6] == "data: "]
    assert events[-1] == "[DONE]"
    pieces = [json.loads(event)["choices"][0]["delta"].get("content", "") for event in events[:-1]]
    assert "".join(pieces) == " 42"
