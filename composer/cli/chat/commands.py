"""The commands of `compose chat`, which begin with `/`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.cli.chat.insight import cost_lines, member_texts, reasons
from composer.cli.chat.options import changed, option_lines
from composer.cli.chat.saving import save
from composer.cli.chat.tables import side_by_side
from composer.cli.terminal import err
from composer.cli.timeline import drawn
from composer.diagnostics import did_you_mean
from composer.diagnostics.amounts import cost_text, in_dollars

if TYPE_CHECKING:
    from collections.abc import Callable

    from composer.cli.chat.conversation import Conversation
    from composer.run import Result

__all__ = ["COMMANDS", "Command", "Next", "unknown_command"]

NOTHING_YET = "nothing was answered yet"


@dataclass(frozen=True)
class Next:
    """What follows a command: a question to ask, or the end."""

    question: str | None = None
    ends: bool = False


GO_ON = Next()


@dataclass(frozen=True)
class Command:
    """A command: what it does, in words, and the function that does it."""

    usage: str
    about: str
    function: Callable[[Conversation, str], Next]


def unknown_command(name: str) -> str:
    """Say that there is no such command, and which one was meant."""
    known = [f"/{command}" for command in COMMANDS]
    return f"there is no command `/{name}`: {did_you_mean(f'/{name}', known)}"


def _help(_conversation: Conversation, _words: str) -> Next:
    width = max(len(each.usage) for each in COMMANDS.values())
    for command in COMMANDS.values():
        err(f"{command.usage:{width}}  {command.about}")
    return GO_ON


def _last(conversation: Conversation) -> Result | None:
    if not conversation.turns:
        err(NOTHING_YET)
        return None
    return conversation.turns[-1].result


def _members(conversation: Conversation, _words: str) -> Next:
    if (result := _last(conversation)) is not None:
        side_by_side(member_texts(result))
    return GO_ON


def _why(conversation: Conversation, _words: str) -> Next:
    if (result := _last(conversation)) is not None:
        lines = list(reasons(result))
        for line in lines or ["one model wrote it, and nobody decided anything"]:
            err(line)
    return GO_ON


def _trace(conversation: Conversation, words: str) -> Next:
    result = _last(conversation)
    if result is not None and result.trace is not None:
        err(
            drawn([result.trace.as_dict()], full=words == "full", stream=sys.stderr),
            end="",
            drawn=True,
        )
    return GO_ON


def _cost(conversation: Conversation, _words: str) -> Next:
    if not conversation.spent:
        err(NOTHING_YET)
        return GO_ON
    if conversation.turns:
        err("the last answer:")
        for line in cost_lines(conversation.turns[-1].result.members):
            err(f"  {line}")
    err("since the beginning:")
    for line in cost_lines(conversation.spent):
        err(f"  {line}")
    budget = conversation.ensemble.budget
    if budget is not None:
        err(f"spent {cost_text(budget.spent)} of {in_dollars(budget.dollars)}")
    return GO_ON


def _set(conversation: Conversation, words: str) -> Next:
    if words:
        options = changed(conversation.options, words)
        conversation.ensemble.demand_options(options)
        conversation.options = options
    for line in option_lines(conversation.options):
        err(line)
    return GO_ON


def _again(conversation: Conversation, _words: str) -> Next:
    question = conversation.repeat()
    if question is None:
        err("nothing was asked yet")
    return Next(question)


def _undo(conversation: Conversation, _words: str) -> Next:
    turn = conversation.undo()
    err("there is nothing to take back" if turn is None else f"took back: {turn.question}")
    return GO_ON


def _save(conversation: Conversation, words: str) -> Next:
    err(save(conversation, words))
    return GO_ON


def _quit(_conversation: Conversation, _words: str) -> Next:
    return Next(ends=True)


COMMANDS = {
    "help": Command("/help", "Show this.", _help),
    "members": Command("/members", "Show what each model wrote for the last answer.", _members),
    "why": Command("/why", "Show how the last answer came about, and who disagreed.", _why),
    "trace": Command("/trace [full]", "Show each step of the last answer, with its time.", _trace),
    "cost": Command("/cost", "Show what was read, written and spent, by member.", _cost),
    "set": Command(
        "/set [NAME=VALUE]",
        "Set an option of the answers that follow, such as temperature=0.3; `none` unsets it.",
        _set,
    ),
    "again": Command("/again", "Answer the last question anew, with the next seed.", _again),
    "undo": Command("/undo", "Take back the last question and its answer.", _undo),
    "save": Command(
        "/save FILE", "Write the conversation: rows to a .jsonl file, else text.", _save
    ),
    "quit": Command("/quit", "Leave; so does Ctrl-D.", _quit),
}
