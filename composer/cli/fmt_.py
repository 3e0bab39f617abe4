"""`compose fmt`: recipes in canonical text, in their own notation or in the other."""

from __future__ import annotations

import sys
from difflib import unified_diff
from pathlib import Path
from typing import NamedTuple

import click

from composer.cli.common import as_json, json_option, show_diagnostics
from composer.cli.status import EXIT_MISTAKES, status_of
from composer.cli.terminal import err, out
from composer.diagnostics import Diagnostic, Mistakes, Source

STDIN = Path("-")


class FormattedFile(NamedTuple):
    """A file as it was and as it should be."""

    path: Path
    before: str
    after: str

    @property
    def changes(self) -> bool:
        """Whether the file is not canonical yet."""
        return self.before != self.after


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; print the changes.")
@click.option("--to", type=click.Choice(["ens", "yaml"]), help="Print in this notation.")
@click.option(
    "--from", "notation", type=click.Choice(["ens", "yaml"]), help="The notation of stdin."
)
@click.option(
    "--write",
    is_flag=True,
    help="With --to: write a new file beside each file; never overwrite one.",
)
@json_option
def command(
    files: tuple[Path, ...],
    notation: str | None,
    to: str | None,
    *,
    check: bool,
    diff: bool,
    write: bool,
    as_json: bool,
) -> int:
    """Write recipes in canonical text; comments stay, and so does the meaning.

    \b
    compose fmt recipe.ens                   in place
    compose fmt --check --diff *.ens         only look
    compose fmt --to yaml recipe.ens         print in the other notation
    compose fmt --to yaml --write *.ens      write recipe.yaml beside recipe.ens
    compose fmt - < recipe.ens               from stdin to stdout
    """
    if to and (check or as_json):
        raise click.UsageError("--to cannot be used with --check or --json")
    if write and not to:
        raise click.UsageError("--write needs --to; without --to, files are formatted in place")
    files_formatted, diagnostics = _format_all(files, notation, to)
    show_diagnostics(diagnostics)
    changed = [formatted for formatted in files_formatted if formatted.changes]
    if as_json:
        out(_as_json(files_formatted, diagnostics), as_json=True)
    elif diff:
        for formatted in changed:
            out(_diff(formatted), end="")
    if to and not diff:
        diagnostics += _converted(files_formatted, to, write=write)
    elif not (check or diff):
        _in_place(files_formatted)
    if check and not as_json:
        for formatted in changed:
            err(f"{formatted.path}: would change")
    status = max((status_of(diagnostic.code) for diagnostic in diagnostics), default=0)
    return max(status, EXIT_MISTAKES) if status or (check and changed) else 0


def _format_all(
    files: tuple[Path, ...], notation: str | None, to: str | None
) -> tuple[list[FormattedFile], list[Diagnostic]]:
    """Format every file that can be read; say what is wrong with the others."""
    files_formatted: list[FormattedFile] = []
    diagnostics: list[Diagnostic] = []
    for path in files:
        try:
            source = _source(path, notation)
            files_formatted.append(FormattedFile(path, source.text, _text(source, to)))
        except Mistakes as mistakes:
            diagnostics += mistakes.diagnostics
    return files_formatted, diagnostics


def _source(path: Path, notation: str | None) -> Source:
    from composer.syntax import read

    if path != STDIN:
        return read(path)
    text = sys.stdin.read().replace("\r\n", "\n").replace("\r", "\n")
    return Source(f"stdin.{notation or 'ens'}", text)


def _text(source: Source, to: str | None) -> str:
    """Format a recipe, and make sure that the text means the same."""
    from composer.syntax import parse
    from composer.syntax.formatting import formatted, notation, same

    file = parse(source)
    text = formatted(file, to)
    stem = source.name.rpartition(".")[0]
    again = parse(Source(f"{stem}.{to or notation(source.name)}", text))
    if not same(file, again):
        message = f"`{source.name}` cannot be formatted without changing its meaning"
        raise Mistakes(
            [Diagnostic("E122", message, help="this is a bug; please report it with the file")]
        )
    return text


def _in_place(files: list[FormattedFile]) -> None:
    for file in files:
        if file.path == STDIN:
            out(file.after, end="")
        elif file.changes:
            _write(file.path, file.after)
            err(f"{file.path}: formatted")


def _converted(files: list[FormattedFile], to: str, *, write: bool) -> list[Diagnostic]:
    """Print the recipes in another notation, or write each beside its file."""
    diagnostics: list[Diagnostic] = []
    for file in files:
        path = file.path.with_suffix(f".{to}")
        if not write or file.path == STDIN:
            out(file.after, end="")
        elif path.exists() and path.read_text(encoding="utf-8") != file.after:
            message = f"the file `{path}` exists already and is different"
            diagnostics.append(
                Diagnostic("E718", message, help="delete it, or leave out --write to print")
            )
        else:
            _write(path, file.after)
            err(f"{path}: written")
    show_diagnostics(diagnostics)
    return diagnostics


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        message = f"cannot write `{path}`: {error.strerror}"
        help_ = "give a folder in which you may write"
        raise Mistakes([Diagnostic("E718", message, help=help_)]) from None


def _diff(file: FormattedFile) -> str:
    before, after = (text.splitlines(keepends=True) for text in (file.before, file.after))
    rows = unified_diff(before, after, str(file.path), f"{file.path} (formatted)")
    return "".join(row if row.endswith("\n") else f"{row}\n" for row in rows)


def _as_json(files: list[FormattedFile], diagnostics: list[Diagnostic]) -> str:
    rows = [{"path": str(file.path), "changes": file.changes} for file in files]
    return as_json(
        {
            "version": 1,
            "files": rows,
            "diagnostics": [diagnostic.as_dict() for diagnostic in diagnostics],
        }
    )
