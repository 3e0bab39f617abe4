"""The verbs of the command `compose`: one file each, imported when it is called."""

from __future__ import annotations

import gc
import io
import os
import sys
import warnings
from contextlib import nullcontext
from importlib import import_module
from typing import TYPE_CHECKING

import click

from composer.cli.common import show_failure
from composer.cli.interrupts import Interrupts
from composer.cli.status import EXIT_INTERRUPTED, STATUSES
from composer.cli.terminal import ReaderGoneError, drain, err, prepare, traced
from composer.diagnostics.progress import listening
from composer.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Sequence

VERBS = {
    "run": "Answer queries with a recipe.",
    "chat": "Talk with a recipe: what was said before goes along.",
    "serve": "Serve recipes over HTTP, as models that speak the OpenAI protocol.",
    "check": "Find all mistakes in recipes, without loading a model.",
    "plan": "Show what would run, on which device, with which defaults.",
    "graph": "Draw what would run: as text, Mermaid, dot or SVG.",
    "explain": "Show what each rule did, or explain a code, a step, a part or a backend.",
    "fmt": "Format recipes, or convert them to the other notation.",
    "ls": "List steps, parts, models or recipes.",
    "fit": "Fit the trainable parts of a recipe on a data file.",
    "build": "Write the models that a recipe derives from others, such as merges.",
    "eval": "Evaluate recipes on a data file.",
    "tune": "Search the values that `--set` takes, and judge them on rows left out.",
    "trace": "Show what happened for each traced query.",
    "new": "Start a new recipe from a commented example.",
    "doctor": "Check versions, devices, caches and keys.",
    "lsp": "Run the language server for editors: mistakes, hover, completion, definitions.",
    "schema": "Print the JSON schema of YAML recipes, or a grammar for syntax colours.",
}

COLLECT_SELDOM = (20_000, 20, 20)
"""How many new objects there are between searches for garbage; a row makes hundreds, none kept."""

LONG_RUNNING = ("run", "chat", "serve", "fit", "build", "eval", "tune", "lsp")
"""The verbs that may run for long, and so must not keep their garbage."""


TRACEBACK = "traceback"


def traceback_option() -> click.Option:
    """Return the option `--traceback`, which each verb has."""

    def wish(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001
        if value:
            ctx.ensure_object(dict)[TRACEBACK] = True

    return click.Option(
        ["--traceback"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=wish,
        help="Show Python's traceback if the command fails.",
    )


class Verbs(click.Group):
    """The verbs by name; the module of one is imported only when it runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of use."""
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb's module."""
        del ctx
        if cmd_name not in VERBS:
            return None
        if cmd_name in LONG_RUNNING:
            gc.enable()
            gc.set_threshold(*COLLECT_SELDOM)
        module = import_module(f"composer.cli.{cmd_name}_")
        command: click.Command = module.command
        if not any(option.name == TRACEBACK for option in command.params):
            command.params.append(traceback_option())
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb, or say which one was probably meant."""
        if args and not args[0].startswith("-") and args[0] not in VERBS:
            from composer.diagnostics import did_you_mean

            raise click.UsageError(
                f"unknown command `{args[0]}`: {did_you_mean(args[0], VERBS)}", ctx
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))
        with formatter.section("Exit status"):
            formatter.write_dl([(str(status), text) for status, text in STATUSES.items()])


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ensemble-composer", prog_name="compose")
def compose() -> None:
    """Compose language models into one ensemble: write a recipe, run it as one model.

    \b
    compose new vote                     write a recipe to start from: vote.ens
    compose run vote.ens "2 + 2?"        ask it
    compose COMMAND --help               show the options of a command
    """


compose.params.append(traceback_option())


def execute(arguments: Sequence[str] | None) -> int:
    """Run the command and return its exit status; no traceback unless it is asked for."""
    # Searching the installed packages for plugins of pydantic costs a tenth of a short command.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # So does looking for garbage in what was imported, on the way and again at the very end.
    gc.disable()
    prepare()
    sys.excepthook = traced
    if not sys.warnoptions:
        warnings.showwarning = _warned
    with Interrupts() as interrupts:
        try:
            return _run(list(sys.argv[1:] if arguments is None else arguments), interrupts)
        finally:
            gc.freeze()
            gc.enable()
            drain()


def _warned(message: Warning | str, *_place: object, **_more: object) -> None:
    """Tell a warning of ours without the place in Python where it was raised."""
    err(f"warning: {message}")


def _run(argv: list[str], interrupts: Interrupts) -> int:
    wishes: dict[str, bool] = {}
    listens = bool(sys.warnoptions)  # who starts Python with `-W` wants to hear all of it
    try:
        with listening(err), nullcontext() if listens else quiet():
            return compose.main(argv, "compose", standalone_mode=False, obj=wishes) or 0
    except click.ClickException as error:
        message = io.StringIO()
        error.show(message)
        err(message.getvalue(), end="")
        return error.exit_code
    except (ReaderGoneError, SystemExit):  # click exits where nobody reads its help any more
        return 0
    except (KeyboardInterrupt, click.Abort):
        interrupts.tell()
        return EXIT_INTERRUPTED
    except Exception as error:
        if interrupts.interrupted:  # some libraries make another error of the interruption
            interrupts.tell()
            return EXIT_INTERRUPTED
        if TRACEBACK in wishes:
            raise
        return show_failure(error)
