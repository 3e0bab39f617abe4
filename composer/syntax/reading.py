"""A recipe file read from disk and parsed, in whichever notation it is written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from composer.diagnostics import Diagnostic, Mistakes, Place, Source, nearest
from composer.syntax.grammar import lark
from composer.syntax.lexemes import lexemes
from composer.syntax.parsing import parse_lexemes
from composer.syntax.tree import File

if TYPE_CHECKING:
    from os import PathLike

WIDE = (b"\xff\xfe", b"\xfe\xff")
"""How a file begins that was saved as UTF-16."""

YAML = (".yaml", ".yml")
"""How the names of files end that are read as YAML."""


def read(path: str | PathLike[str]) -> Source:
    """Read a recipe file as UTF-8; its name stays the path as it was written."""
    name = str(path)
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise _mistake("E501", f"there is no file `{name}`", similar_file(Path(path))) from None
    except IsADirectoryError:
        raise _mistake("E503", f"`{name}` is a folder", "give a recipe in it") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _mistake("E503", f"cannot read `{name}`: {reason}") from None
    return Source(name, _text(name, data))


def parse(source: Source) -> File:
    """Parse a recipe, in the notation that its name tells; every mistake is raised at once."""
    file, mistakes = parse_sound(source)
    if mistakes:
        raise Mistakes(mistakes)
    return file


def parse_sound(source: Source) -> tuple[File, list[Diagnostic]]:
    """Parse the statements that can be parsed, and say what is wrong with the others."""
    if source.name.lower().endswith(YAML):
        from composer.syntax.from_yaml import parse_yaml

        return parse_yaml(source)
    statements, comments, mistakes = parse_lexemes(lexemes(lark(), source))
    return File(source, statements, comments), mistakes


def _text(name: str, data: bytes) -> str:
    """Decode a file; every way to end a line becomes the one."""
    if data.startswith(WIDE):
        raise _mistake("E503", f"`{name}` is saved as UTF-16", "save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"`{name}` is not UTF-8: the byte 0x{data[error.start]:02x} on line {line}"
        raise _mistake("E503", message, "save it as UTF-8") from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    nul = text.find("\0")
    if nul < 0:
        return text
    place = Place(Source(name, text), nul, nul + 1)
    message, help_ = f"`{name}` contains a NUL character", "check that it is a text file"
    raise Mistakes([Diagnostic("E503", message, place, help=help_)])


def similar_file(path: Path) -> str:
    """Name the file of the same folder that was probably meant."""
    try:
        names = [file.name for file in path.parent.iterdir() if file.suffix == path.suffix]
    except OSError:
        return f"there is no folder `{path.parent}` either"
    near = nearest(path.name, names)
    if near:
        return f"did you mean `{path.with_name(near)}`?"
    if "->" in path.name:
        return "a recipe is a file here: save this text as `recipe.ens`"
    return "check the name and the folder"


def _mistake(code: str, message: str, help_: str = "") -> Mistakes:
    return Mistakes([Diagnostic(code, message, help=help_)])
