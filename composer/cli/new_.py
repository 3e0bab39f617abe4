"""`compose new`: a commented recipe to start from."""

from __future__ import annotations

from pathlib import Path

import click

from composer.cli.common import unwritable
from composer.cli.terminal import err, out
from composer.diagnostics import Diagnostic, Mistakes

STARTERS = Path(__file__).parent / "starters"
"""Where the recipes lie that are copied, one for each kind."""


@click.command()
@click.argument("kind", required=False)
@click.argument("file", required=False, type=click.Path(path_type=Path))
def command(kind: str | None, file: Path | None) -> None:
    """Start a recipe from a commented example; without a KIND, list the kinds.

    FILE is KIND.ens in this folder if it is not given. Nothing is overwritten.
    """
    starters = kinds()
    if kind is None:
        out("\n".join(_listed(starters)))
        return
    if kind not in starters:
        from composer.diagnostics import did_you_mean

        raise click.UsageError(f"unknown kind `{kind}`: {did_you_mean(kind, starters)}")
    target = _target(kind, file)
    _write(target, _filled(starters[kind], target))
    err(f"wrote {target}; try: compose run {_quoted(target)}")


def kinds() -> dict[str, str]:
    """Return the starter of each kind."""
    return {
        path.stem: path.read_text(encoding="utf-8")
        for path in sorted(STARTERS.glob("*.ens"), key=lambda path: ORDER.index(path.stem))
    }


ORDER = ("vote", "route", "cascade", "token", "span", "mixture")
"""The kinds, simplest first."""


def _listed(starters: dict[str, str]) -> list[str]:
    width = max(map(len, starters))
    return [f"{kind:<{width}}  {text.splitlines()[0][2:]}" for kind, text in starters.items()]


def _target(kind: str, file: Path | None) -> Path:
    """Return the file to write: a folder gets one of the kind's name, a bare name its ending."""
    if file is None:
        return Path(f"{kind}.ens")
    if file.is_dir():
        return file / f"{kind}.ens"
    return file if file.suffix else file.with_suffix(".ens")


def _filled(text: str, target: Path) -> str:
    """Put the file's own name into the commands that its comments tell."""
    return text.replace("FILE", _quoted(target))


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))


def _write(target: Path, text: str) -> None:
    """Write a file that is not there yet."""
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        text = f"{target} exists already; it was not changed"
        help_ = "give another name: `compose new KIND FILE`"
        raise Mistakes([Diagnostic("E718", text, help=help_)]) from None
    except OSError as error:
        raise unwritable(target, error) from None
