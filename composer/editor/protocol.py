"""Answers in the terms of the language server protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.uris import from_fs_path

from composer.editor.buffer import position

if TYPE_CHECKING:
    from composer.diagnostics import Note, Place
    from composer.editor.findings import Finding
    from composer.editor.items import Item
    from composer.editor.symbols import Symbol

ITEMS = {
    "keyword": types.CompletionItemKind.Keyword,
    "model": types.CompletionItemKind.Variable,
    "param": types.CompletionItemKind.Variable,
    "let": types.CompletionItemKind.Variable,
    "def": types.CompletionItemKind.Function,
    "use": types.CompletionItemKind.Module,
    "step": types.CompletionItemKind.Function,
    "backend": types.CompletionItemKind.Constructor,
    "option": types.CompletionItemKind.Property,
    "part": types.CompletionItemKind.Class,
    "template": types.CompletionItemKind.Text,
    "signal": types.CompletionItemKind.Field,
    "file": types.CompletionItemKind.File,
}

SYMBOLS = {
    "model": types.SymbolKind.Class,
    "param": types.SymbolKind.Variable,
    "let": types.SymbolKind.Constant,
    "def": types.SymbolKind.Function,
    "use": types.SymbolKind.Module,
    "answer": types.SymbolKind.Event,
}


def range_of(place: Place, encoding: str) -> types.Range:
    """Give a place as a range of lines and characters."""
    start = types.Position(*position(place.source, place.start, encoding))
    return types.Range(start, types.Position(*position(place.source, place.end, encoding)))


def location(place: Place, encoding: str) -> types.Location:
    """Give a place with its file."""
    return types.Location(uri_of(place.source.name), range_of(place, encoding))


def uri_of(name: str) -> str:
    """Give the address of a file by its name."""
    return from_fs_path(name) or name


def diagnostic(finding: Finding, encoding: str) -> types.Diagnostic:
    """Give a finding with its code and the other places involved."""
    severe = finding.severity == "error"
    severity = types.DiagnosticSeverity.Error if severe else types.DiagnosticSeverity.Warning
    return types.Diagnostic(
        range=range_of(finding.place, encoding),
        message=finding.message,
        severity=severity,
        code=finding.code,
        source="compose",
        related_information=[_related(note, encoding) for note in finding.notes],
    )


def _related(note: Note, encoding: str) -> types.DiagnosticRelatedInformation:
    return types.DiagnosticRelatedInformation(location(note.place, encoding), note.label)


def fix(finding: Finding, uri: str, encoding: str) -> types.CodeAction:
    """Give the word that was meant as a fix of a finding."""
    edit = types.TextEdit(range_of(finding.place, encoding), finding.mended)
    return types.CodeAction(
        title=f"Write `{finding.mended}`",
        kind=types.CodeActionKind.QuickFix,
        diagnostics=[diagnostic(finding, encoding)],
        edit=types.WorkspaceEdit(changes={uri: [edit]}),
        is_preferred=True,
    )


def item(each: Item, replaced: types.Range, *, snippets: bool) -> types.CompletionItem:
    """Give a proposal; the cursor is moved only in editors that can."""
    moves = snippets and "$0" in each.insert
    text = each.insert if moves else each.plain
    kind = types.InsertTextFormat.Snippet if moves else types.InsertTextFormat.PlainText
    return types.CompletionItem(
        label=each.label,
        kind=ITEMS.get(each.kind, types.CompletionItemKind.Value),
        detail=each.detail or None,
        documentation=markdown(each.text) if each.text else None,
        insert_text_format=kind,
        text_edit=types.TextEdit(replaced, text),
    )


def markdown(text: str) -> types.MarkupContent:
    """Give a text as Markdown."""
    return types.MarkupContent(types.MarkupKind.Markdown, text)


def symbol(each: Symbol, encoding: str) -> types.DocumentSymbol:
    """Give a line of the outline."""
    return types.DocumentSymbol(
        name=each.name,
        kind=SYMBOLS[each.kind],
        range=range_of(each.place, encoding),
        selection_range=range_of(each.name_place, encoding),
        detail=each.detail or None,
    )
