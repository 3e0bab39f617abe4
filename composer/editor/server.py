"""The language server: every request is answered by a function of the buffer."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lsprotocol import types
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from composer.editor import protocol
from composer.editor.buffer import Buffer, position
from composer.editor.completion import completion
from composer.editor.definition import definition
from composer.editor.findings import Finding, findings
from composer.editor.hover import hover
from composer.editor.symbols import symbols
from composer.editor.tidy import tidied
from composer.words import Place

PAUSE = 0.2
"""Seconds without a keystroke before a text is checked."""


Pointing = types.HoverParams | types.CompletionParams | types.DefinitionParams
"""Requests about a place in a document."""


class Server(LanguageServer):
    """A server that keeps what it found in each open recipe."""

    def __init__(self) -> None:
        super().__init__(
            "compose", _version(), text_document_sync_kind=types.TextDocumentSyncKind.Full
        )
        self.found: dict[str, tuple[Finding, ...]] = {}

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
        return _buffer(uri, text)

    def at(self, params: Pointing) -> tuple[Buffer, int]:
        """Give the buffer and the offset that a request is about."""
        buffer, where = self.buffer(params.text_document.uri), params.position
        return buffer, buffer.offset(where.line, where.character, self.encoding)

    async def check(self, uri: str) -> None:
        """Check a document and say what was found, unless it changed meanwhile."""
        document = self.workspace.get_text_document(uri)
        before = document.version
        found = await asyncio.to_thread(findings, _buffer(uri, document.source))
        if uri not in self.workspace.text_documents or document.version != before:
            return
        self.found[uri] = found
        shown = [protocol.diagnostic(each, self.encoding) for each in found]
        self.text_document_publish_diagnostics(
            types.PublishDiagnosticsParams(uri, shown, document.version)
        )


def serve() -> None:
    """Speak over stdin and stdout until the editor leaves."""
    server.start_io()


@lru_cache(maxsize=16)
def _buffer(uri: str, text: str) -> Buffer:
    """Make a buffer; one that was never saved lies, for its names, where the server runs."""
    path = to_fs_path(uri) if uri.startswith("file:") else None
    return Buffer(Path(path).resolve() if path else Path.cwd() / "recipe.ens", text)


def _version() -> str:
    try:
        return version("ensemble-composer")
    except PackageNotFoundError:
        return "0"


server = Server()


@server.feature(types.TEXT_DOCUMENT_DID_OPEN)
async def _opened(ls: Server, params: types.DidOpenTextDocumentParams) -> None:
    await ls.check(params.text_document.uri)


@server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
async def _changed(ls: Server, params: types.DidChangeTextDocumentParams) -> None:
    uri, changed = params.text_document.uri, params.text_document.version
    await asyncio.sleep(PAUSE)
    document = ls.workspace.text_documents.get(uri)
    if document is not None and document.version == changed:
        await ls.check(uri)


@server.feature(types.TEXT_DOCUMENT_DID_SAVE)
async def _saved(ls: Server, _params: types.DidSaveTextDocumentParams) -> None:
    """Check all that is open: another recipe may use the one that was saved."""
    _buffer.cache_clear()
    for uri in list(ls.workspace.text_documents):
        await ls.check(uri)


@server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
def _closed(ls: Server, params: types.DidCloseTextDocumentParams) -> None:
    uri = params.text_document.uri
    ls.found.pop(uri, None)
    ls.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))


@server.feature(types.TEXT_DOCUMENT_HOVER)
def _hover(ls: Server, params: types.HoverParams) -> types.Hover | None:
    """Say what a word means, and what the codes that are underlined there mean."""
    buffer, offset = ls.at(params)
    meant = hover(buffer, offset)
    codes = [
        f"```text\n{each.explanation}\n```"
        for each in ls.found.get(params.text_document.uri, ())
        if each.place.start <= offset < each.place.end and each.explanation
    ]
    if meant is None and not codes:
        return None
    text = "\n\n---\n\n".join([*([meant[0]] if meant else []), *codes])
    where = protocol.range_of(meant[1], ls.encoding) if meant else None
    return types.Hover(protocol.markdown(text), where)


@server.feature(
    types.TEXT_DOCUMENT_COMPLETION,
    types.CompletionOptions(trigger_characters=["(", ",", "=", '"', "[", ">", "/"]),
)
def _completion(ls: Server, params: types.CompletionParams) -> list[types.CompletionItem]:
    buffer, offset = ls.at(params)
    items, start = completion(buffer, offset)
    first = types.Position(*position(buffer.source, start, ls.encoding))
    replaced = types.Range(first, params.position)
    return [protocol.item(each, replaced, snippets=ls.snippets) for each in items]


@server.feature(types.TEXT_DOCUMENT_DEFINITION)
def _definition(ls: Server, params: types.DefinitionParams) -> types.Location | None:
    place = definition(*ls.at(params))
    return protocol.location(place, ls.encoding) if place else None


@server.feature(types.TEXT_DOCUMENT_FORMATTING)
def _formatting(ls: Server, params: types.DocumentFormattingParams) -> list[types.TextEdit]:
    buffer = ls.buffer(params.text_document.uri)
    text = tidied(buffer)
    if text is None:
        return []
    whole = Place(buffer.source, 0, len(buffer.source.text))
    return [types.TextEdit(protocol.range_of(whole, ls.encoding), text)]


@server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
def _symbols(ls: Server, params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
    found = symbols(ls.buffer(params.text_document.uri))
    return [protocol.symbol(each, ls.encoding) for each in found]
