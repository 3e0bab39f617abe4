"""The language server: which texts are open, and what was found in them."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from composer.editor import protocol
from composer.editor.buffer import Buffer
from composer.editor.findings import Finding, findings

Pointing = types.HoverParams | types.CompletionParams | types.DefinitionParams
"""Requests about a place in a document."""


class Server(LanguageServer):
    """A server that keeps what it found in each open recipe."""

    def __init__(self) -> None:
        super().__init__(
            "compose", _version(), text_document_sync_kind=types.TextDocumentSyncKind.Full
        )
        self.findings_of: dict[str, tuple[Finding, ...]] = {}

    @property
    def encoding(self) -> str:
        """How the editor counts characters."""
        return str(getattr(self.workspace.position_encoding, "value", "utf-16"))

    @property
    def snippets(self) -> bool:
        """Whether the editor moves the cursor into what it inserts."""
        able = self.client_capabilities.text_document
        item = able.completion.completion_item if able and able.completion else None
        return bool(item and item.snippet_support)

    def buffer(self, uri: str) -> Buffer:
        """Give the text of a document as it is now."""
        text = self.workspace.get_text_document(uri).source
        return held(uri, text)

    def at(self, params: Pointing) -> tuple[Buffer, int]:
        """Give the buffer and the offset that a request is about."""
        buffer, where = self.buffer(params.text_document.uri), params.position
        return buffer, buffer.offset(where.line, where.character, self.encoding)

    def findings(self, uri: str) -> tuple[Finding, ...]:
        """Give what was found in the text as it is now; nothing while that is not known."""
        text = self.buffer(uri).source.text
        return tuple(
            each for each in self.findings_of.get(uri, ()) if each.place.source.text == text
        )

    async def check(self, uri: str) -> None:
        """Check a document and say what was found, unless it changed meanwhile."""
        document = self.workspace.get_text_document(uri)
        before = document.version
        fresh = await asyncio.to_thread(findings, held(uri, document.source))
        if uri not in self.workspace.text_documents or document.version != before:
            return
        self.findings_of[uri] = fresh
        shown = [protocol.diagnostic(each, self.encoding) for each in fresh]
        self.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri, shown, document.version)
        )


@lru_cache(maxsize=16)
def held(uri: str, text: str) -> Buffer:
    """Make a buffer; one that was never saved lies, for its names, where the server runs."""
    path = to_fs_path(uri) if uri.startswith("file:") else None
    return Buffer(Path(path).resolve() if path else Path.cwd() / "recipe.ens", text)


def _version() -> str:
    try:
        return version("ensemble-composer")
    except PackageNotFoundError:
        return "0"
