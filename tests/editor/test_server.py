"""The language server, spoken to as an editor does."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from composer.cli import main

ROOT = Path(__file__).parents[2]
URI = (ROOT / "recipes" / "open.ens").as_uri()
USED = 'use "zoo.ens" (A, B)\n'
TEXT = USED + "[A, B] -> vote(by = exact())\n"


class Client:
    """Speaks JSON-RPC to a server over its pipes."""

    def __init__(self, process):
        self.process = process
        self.count = 0
        self.version = 1
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

    def write(self, text):
        """Change the text, and return what is wrong with it."""
        self.version += 1
        document = {"uri": URI, "version": self.version}
        self.notify(
            "textDocument/didChange", textDocument=document, contentChanges=[{"text": text}]
        )
        return self.diagnostics(self.version)

    def diagnostics(self, version):
        while True:
            message = self.published.pop(0) if self.published else self.receive()
            found = message.get("params", {})
            if "diagnostics" in found and found["version"] == version:
                return found["diagnostics"]


@pytest.fixture(scope="module")
def client():
    pytest.importorskip("pygls", reason="the extra `editor` is not installed")
    command = [sys.executable, "-m", "composer", "lsp", "--stdio"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, cwd=ROOT) as process:
        client = Client(process)
        client.ask("initialize", processId=None, rootUri=None, capabilities={})
        client.notify("initialized")
        document = {"uri": URI, "languageId": "ens", "version": 1, "text": TEXT}
        client.notify("textDocument/didOpen", textDocument=document)
        yield client
        client.ask("shutdown")
        client.notify("exit")
        assert process.wait(20) == 0


def test_a_recipe_is_checked_again_when_it_changes(client):
    assert client.diagnostics(1) == []
    (found,) = client.write(USED + "[A, B] -> vote(by = 3)\n")
    assert (found["code"], found["range"]["start"]) == ("E401", {"line": 1, "character": 20})
    assert "E401" in client.at("hover", 1, 20)["contents"]["value"]
    assert client.write(TEXT) == []


def test_the_word_that_was_meant_is_offered(client):
    client.write(USED + "[A, B] -> vote(bye = exact())\n")
    here = {"start": {"line": 1, "character": 0}, "end": {"line": 1, "character": 0}}
    document, context = {"uri": URI}, {"diagnostics": []}
    asked = {"textDocument": document, "range": here, "context": context}
    (offered,) = client.ask("textDocument/codeAction", **asked)
    assert offered["edit"]["changes"][URI][0]["newText"] == "by"
    client.write(TEXT)
    assert client.ask("textDocument/codeAction", **asked) == []


def test_formatting_writes_the_canonical_text(client):
    client.write(USED + "[A,B]->vote( )")
    options = {"tabSize": 2, "insertSpaces": True}
    (edit,) = client.ask("textDocument/formatting", textDocument={"uri": URI}, options=options)
    assert edit["newText"].endswith("[A, B] -> vote()\n")
    client.write(TEXT)


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
    monkeypatch.setattr("composer.cli.common.find_spec", lambda _: None)
    with pytest.raises(SystemExit) as left:
        main(["lsp"])
    assert left.value.code == 2
    assert "ensemble-composer[editor]" in capsys.readouterr().err
