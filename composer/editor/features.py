"""Requests of an editor, each answered by a function of the buffer."""

from __future__ import annotations

import asyncio

from lsprotocol import types

from composer.diagnostics import Place
from composer.editor import protocol
from composer.editor.buffer import position
from composer.editor.completion import completion
from composer.editor.definition import definition
from composer.editor.hover import hover
from composer.editor.server import Server, held
from composer.editor.symbols import symbols
from composer.editor.tidy import tidied

PAUSE = 0.2
"""Seconds without a keystroke before a text is checked."""


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
    held.cache_clear()
    for uri in list(ls.workspace.text_documents):
        await ls.check(uri)


@server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
def _closed(ls: Server, params: types.DidCloseTextDocumentParams) -> None:
    uri = params.text_document.uri
    ls.findings_of.pop(uri, None)
    ls.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))


@server.feature(types.TEXT_DOCUMENT_HOVER)
def _hover(ls: Server, params: types.HoverParams) -> types.Hover | None:
    """Say what a word means, and what the codes that are underlined there mean."""
    buffer, offset = ls.at(params)
    meant = hover(buffer, offset)
    codes = [
        f"```text\n{each.explanation}\n```"
        for each in ls.findings(params.text_document.uri)
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
    document_symbols = symbols(ls.buffer(params.text_document.uri))
    return [protocol.symbol(each, ls.encoding) for each in document_symbols]


@server.feature(types.TEXT_DOCUMENT_CODE_ACTION)
def _actions(ls: Server, params: types.CodeActionParams) -> list[types.CodeAction]:
    """Offer the words that were meant in the lines that are looked at."""
    uri, lines = params.text_document.uri, params.range
    return [
        protocol.fix(each, uri, ls.encoding)
        for each in ls.findings(uri)
        if each.mended and lines.start.line <= each.place.line - 1 <= lines.end.line
    ]


def serve() -> None:
    """Speak over stdin and stdout until the editor leaves."""
    server.start_io()
