"""The options of `compose serve` that say how requests are treated."""

from __future__ import annotations

import functools
import os
from dataclasses import fields
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from composer.cli.common import Amount
from composer.diagnostics import did_you_mean
from composer.diagnostics.amounts import bytes_of
from composer.serve.settings import Settings
from composer.values.options import AnswerOptions

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["serving_options"]

KEY_VARIABLE = "COMPOSE_API_KEY"
"""The variable of the environment that has the key, unless `--key-env` names another one."""


def _size(ctx: click.Context, param: click.Parameter, value: str) -> int:
    """Return a number of bytes: `500`, `64 KB`, `10 MB`."""
    del ctx, param
    size = bytes_of(value)
    if not size:
        raise click.BadParameter(f"{value!r} is not a size: write it like `10 MB`")
    return size


def _key(ctx: click.Context, param: click.Parameter, value: str) -> str | None:
    """Return the key that a variable holds, None without one; refuse one that cannot be sent."""
    key = os.environ.get(value, "").strip()
    if not key and ctx.get_parameter_source(str(param.name)) is not ParameterSource.DEFAULT:
        raise click.BadParameter(f"the environment has no variable `{value}`")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise click.BadParameter(f"the key in `{value}` has characters that no header can have")
    return key or None


def _kept(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> frozenset[str]:
    """Refuse names that are no options of an answer."""
    del ctx, param
    names = sorted({each.name for each in fields(AnswerOptions)} - {"detail", "prefix"})
    for name in value:
        if name not in names:
            advice = did_you_mean(name, names)
            raise click.BadParameter(f"no request has an option `{name}`: {advice}")
    return frozenset(value)


_COUNT = click.IntRange(min=1)
_SECONDS = Amount(min=0, min_open=True)
_NONE = Settings()
_OPTIONS = (
    click.option(
        "--key-env",
        "key",
        default=KEY_VARIABLE,
        callback=_key,
        metavar="NAME",
        help="The variable of the environment that has the key which each request must bring. "
        f"Default: {KEY_VARIABLE}; without a key, only this machine may ask.",
    ),
    click.option(
        "--allow-origin",
        "origins",
        multiple=True,
        metavar="ORIGIN",
        help="Let pages of this origin call the server: `https://chat.example`. Default: none.",
    ),
    click.option(
        "--concurrency",
        type=_COUNT,
        default=_NONE.concurrency,
        show_default=True,
        help="Queries that run at a time; the others wait.",
    ),
    click.option(
        "--queue",
        type=click.IntRange(min=0),
        default=_NONE.queue,
        show_default=True,
        help="Requests that may wait for each model; one more is told to come again (429).",
    ),
    click.option(
        "--timeout",
        type=_SECONDS,
        metavar="SECONDS",
        help="End a request after this time, with the time that it waits. Default: never.",
    ),
    click.option(
        "--stall",
        type=_SECONDS,
        default=_NONE.stall,
        show_default=True,
        metavar="SECONDS",
        help="End a request whose client sends or takes nothing for this time.",
    ),
    click.option(
        "--max-body",
        default="10 MB",
        show_default=True,
        callback=_size,
        metavar="SIZE",
        help="The largest body of a request.",
    ),
    click.option(
        "--max-prompt",
        type=_COUNT,
        default=_NONE.max_prompt,
        show_default=True,
        metavar="CHARACTERS",
        help="The longest prompt, in characters or token ids.",
    ),
    click.option(
        "--keep",
        multiple=True,
        callback=_kept,
        metavar="OPTION",
        help="Let the recipe's own value stand, whatever requests say: `--keep temperature`.",
    ),
    click.option("--page/--no-page", default=True, help="Serve the page at /. Default: yes."),
    click.option(
        "--seed",
        type=int,
        help="The seed of requests that name none. Default: another one for each request.",
    ),
)


def serving_options(function: Callable[..., object]) -> Callable[..., object]:
    """Add these options; the command is given them as `treatment`."""
    names = {each.name for each in fields(Settings)}

    @functools.wraps(function)
    def command(**values: object) -> object:
        chosen = {name: values.pop(name) for name in names & values.keys()}
        return function(treatment=Settings(**chosen), **values)  # type: ignore[arg-type]

    for option in reversed(_OPTIONS):
        command = option(command)
    return command
