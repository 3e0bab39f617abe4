"""`compose serve`: what it says, what it refuses, and how it ends."""

import json
import re
import socket
from pathlib import Path

import pytest
import yaml
from serve_process import ServeProcess

from composer.cli import main
from composer.cli.serve_ import OTEL_VARIABLES, command
from composer.cli.serving import RequestLog
from composer.cli.serving_options import KEY_VARIABLE
from composer.serve.visits import Visit

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"

RECIPE = """
model A = fake(says = "yes")
model B = fake(says = "no")
[A, A, B] -> vote()
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COMPOSE_API_KEY", raising=False)
    (tmp_path / "vote.ens").write_text(RECIPE)
    return tmp_path


@pytest.fixture
def refused(folder, capfd):
    def call(*arguments):
        with pytest.raises(SystemExit) as caught:
            main(["serve", *arguments])
        return caught.value.code, capfd.readouterr().err

    return call


def test_a_server_says_where_it_is_and_what_it_does(folder, golden):
    arguments = ("vote.ens", "second=vote.ens", "--models", "--log", "--key-env", "SERVER_KEY")
    with ServeProcess(*arguments, folder=folder, SERVER_KEY="secret") as server:
        assert json.loads(server.ask("/health")[1])["status"] == "ready"
        assert server.ask("/plan")[0] == 401
        plan = json.loads(server.ask("/plan", key="secret")[1])
        assert plan["vote/B"]["models"][0]["declaration"] == 'fake("no")'
        question = {"model": "second", "messages": [{"role": "user", "content": "Well?"}]}
        reply = json.loads(server.ask("/v1/chat/completions", question, key="secret")[1])
        assert reply["choices"][0]["message"]["content"] == "yes"
        assert server.end() == 0
    text = re.sub(r":\d{4,5}", ":PORT", "\n".join(server.lines))
    golden(GOLDEN / "serve.txt", re.sub(r"\d+\.\d{3} s", "SECONDS s", text))


def test_a_request_has_one_line_in_the_log_whatever_its_path(capfd):
    RequestLog().leave(Visit("GET", "/a b\nGET /v1/models 200, é"), 404)
    written = capfd.readouterr().err
    assert written.startswith("GET /a%20b%0AGET%20/v1/models%20200,%20%C3%A9 404, ")
    assert written.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["vote.ens", "--host", "0.0.0.0"], 2, "other machines can ask, and there is no key"),
        (["vote.ens", "vote.ens"], 2, "two recipes are named `vote`"),
        (["my vote=vote.ens"], 2, "`my vote` is no name for a model"),
        (["vote.ens", "--keep", "temprature"], 2, "did you mean `temperature`?"),
        (["vote.ens", "--max-body", "much"], 2, "is not a size: write it like `10 MB`"),
        (["vote.ens", "--key-env", "NO_SUCH"], 2, "the environment has no variable `NO_SUCH`"),
        (["vots.ens"], 1, "there is no file"),
        (["vote.ens", "--set", "model.A.says=1"], 1, "1 mistake"),
        (["vote.ens", "--host", "no.such.host"], 2, "other machines can ask"),
    ],
)
def test_what_cannot_be_served_is_refused_in_one_message(refused, arguments, status, message):
    code, said = refused(*arguments)
    assert (code, message in said, "Traceback" in said) == (status, True, False), said


def test_a_port_that_is_taken_and_a_host_that_is_none_are_named(refused, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, said = refused("vote.ens", "--port", str(port))
    assert code == 3
    assert f"[E810]: cannot listen at 127.0.0.1:{port}: address already in use" in said
    monkeypatch.setenv("COMPOSE_API_KEY", "secret")
    code, said = refused("vote.ens", "--host", "no.such.host")
    assert code == 3
    assert "this machine has no host `no.such.host` to listen at" in said


def test_a_model_that_cannot_be_loaded_ends_the_server(refused, folder):
    (folder / "lost.ens").write_text('model A = hf("./lost")\nA')
    code, said = refused("lost.ens", "--port", "0")
    assert code == 1
    assert "E501" in said


@pytest.mark.parametrize(
    ("package", "extra", "arguments"),
    [("uvicorn", "serve", ()), ("opentelemetry.sdk", "telemetry", ("--otel", "--port", "0"))],
)
def test_a_missing_package_is_named_with_its_extra(refused, monkeypatch, package, extra, arguments):
    monkeypatch.setattr(
        "composer.cli.common.find_spec", lambda name: None if name == package else name
    )
    code, said = refused("vote.ens", *arguments)
    assert code == 2
    assert f"pip install 'ensemble-composer[{extra}]'" in said


def test_the_image_starts_the_command_with_options_that_it_has():
    lines = (ROOT / "docker" / "Dockerfile").read_text().splitlines()
    (entry,) = (line.removeprefix("ENTRYPOINT ") for line in lines if line.startswith("ENTRYPOINT"))
    name, verb, *options = json.loads(entry)
    known = {name for each in command.params for name in each.opts}
    assert (name, verb) == ("compose", "serve")
    assert known >= {each for each in options if each.startswith("--")}
    service = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"]["serve"]
    assert service["environment"].keys() == {KEY_VARIABLE, OTEL_VARIABLES[0]}
