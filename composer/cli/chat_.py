"""`compose chat`: a conversation with a recipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from composer.cli.asking_options import budget_option, no_cache_option
from composer.cli.common import (
    RecipeReader,
    json_option,
    recipe_argument,
    recipe_options,
    show_diagnostics,
    timeout_option,
)
from composer.cli.terminal import err, is_terminal

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@recipe_argument
@recipe_options
@no_cache_option
@budget_option
@timeout_option
@click.option("--seed", type=int, default=0, help="The seed of all sampling.")
@json_option
def command(
    recipe: Path,
    reading: RecipeReader,
    seed: int,
    budget: float | None,
    timeout: float | None,
    *,
    no_cache: bool,
    as_json: bool,
) -> int:
    """Talk with a recipe: each line is a question, and what was said before goes along.

    Lines that begin with `/` are commands, such as `/help`. From a pipe, answers go to stdout, and
    all else to stderr.
    """
    from composer.cli.chat.conversation import Conversation
    from composer.cli.chat.lines import Lines
    from composer.cli.chat.screen import Screen
    from composer.cli.chat.session import Session

    loaded = reading.read(recipe, seed=seed)
    ready = loaded.ready(
        cache=not no_cache,
        budget=budget,
        timeout=timeout,
        loading=lambda name: err(f"loading {name}") if is_terminal(sys.stderr) else None,
        warn=lambda each: show_diagnostics([each]),
    )
    with ready as ensemble:
        conversation = Conversation(ensemble, loaded.seed)
        session = Session(conversation, Screen.of(as_json=as_json), loaded.name)
        return session.run(Lines.of_stdin())
