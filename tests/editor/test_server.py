"""The language server, spoken to as an editor does."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from composer.cli import main

ROOT = Path(__file__).parents[2]
URI = (ROOT / "recipes" / "open.ens").as_uri()
TEXT = 'use "zoo.ens" (A, B)\n[A, B] -> vote(by = 3)\n'


class Client:
    """Speaks JSON-RPC to a server over its pipes."""

    def __init__(self, process):
        self.process = process
        self.count = 0
        self.published = []

    def send(self, **message):
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def receive(self):
        length = 0
        while line := self.process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        return json.loads(self.process.stdout.read(length))

    def notify(self, method, **params):
        self.send(method=method, params=params)

    def ask(self, method, **params):
        self.count += 1
        self.send(id=self.count, method=method, params=params)
        while (message := self.receive()).get("id") != self.count:
            self.published.append(message)
        assert "error" not in message, message
        return message["result"]

    def at(self, method, line, character):
        document, position = {"uri": URI}, {"line": line, "character": character}
        return self.ask(f"textDocument/{method}", textDocument=document, position=position)

    def diagnostics(self):
        while True:
            message = self.published.pop(0) if self.published else self.receive()
            if message.get("method") == "textDocument/publishDiagnostics":
                return message["params"]["diagnostics"]


@pytest.fixture(scope="module")
def client():
    pytest.importorskip("pygls", reason="the extra `editor` is not installed")
    command = [sys.executable, "-m", "composer", "lsp", "--stdio"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    client = Client(process)
    client.ask("initialize", processId=None, rootUri=None, capabilities={})
    client.notify("initialized")
    document = {"uri": URI, "languageId": "ens", "version": 1, "text": TEXT}
    client.notify("textDocument/didOpen", textDocument=document)
    yield client
    client.ask("shutdown")
    client.notify("exit")
    with contextlib.closing(process.stdin):
        assert process.wait(20) == 0


def test_an_open_recipe_is_checked_and_again_when_it_changes(client):
    (found,) = client.diagnostics()
    assert (found["code"], found["range"]["start"]) == ("E401", {"line": 1, "character": 20})
    for version, text in ((2, "[A, B"), (3, TEXT.replace("3", "exact()"))):
        document = {"uri": URI, "version": version}
        changes = [{"text": text}]
        client.notify("textDocument/didChange", textDocument=document, contentChanges=changes)
    assert client.diagnostics() == []


def test_hover_speaks_markdown(client):
    assert "gives one answer" in client.at("hover", 1, 12)["contents"]["value"]


def test_completion_replaces_what_is_written(client):
    found = {each["label"]: each for each in client.at("completion", 1, 22)}
    start = found["exact"]["textEdit"]["range"]["start"]
    assert start == {"line": 1, "character": 20}


def test_definition_leads_to_another_file(client):
    assert client.at("definition", 1, 1)["uri"].endswith("/zoo.ens")


def test_the_outline_is_given(client):
    names = client.ask("textDocument/documentSymbol", textDocument={"uri": URI})
    assert [each["name"] for each in names] == ["zoo.ens", "answer"]


def test_without_the_extra_the_command_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr("composer.cli.lsp_.find_spec", lambda _: None)
    with pytest.raises(SystemExit) as left:
        main(["lsp"])
    assert left.value.code == 2
    assert "ensemble-composer[editor]" in capsys.readouterr().err
