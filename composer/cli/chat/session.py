"""One session of `compose chat`: lines are questions, or commands that begin with `/`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.cli.chat.commands import COMMANDS, unknown_command
from composer.cli.interrupts import is_ending
from composer.cli.status import EXIT_FAILED, EXIT_PARTLY
from composer.cli.terminal import err, is_terminal
from composer.run import Failure

if TYPE_CHECKING:
    from composer.cli.chat.conversation import Conversation
    from composer.cli.chat.lines import Lines
    from composer.cli.chat.screen import Screen


@dataclass
class Session:
    """Reads lines until there are no more, and answers or obeys each."""

    conversation: Conversation
    screen: Screen
    recipe: str
    _answered: int = 0
    _failed: int = 0

    def run(self, lines: Lines) -> int:
        """Talk; return the exit status, which is that of failures only where nobody sees them."""
        if lines.by_hand and is_terminal(sys.stderr):
            err(f"{self.recipe}: ask something, or write /help. Ctrl-D leaves.")
        with lines.interruptible():
            while True:
                try:
                    line = lines.read()
                    if line is None or not self._take(line):
                        break
                except KeyboardInterrupt:
                    if not lines.by_hand or is_ending():
                        raise
                    err("\nstopped; Ctrl-D leaves")
        if lines.by_hand or not self._failed:
            return 0
        return EXIT_PARTLY if self._answered else EXIT_FAILED

    def _take(self, line: str) -> bool:
        """Answer a question or obey a command; return whether to go on."""
        if not line:
            return True
        if not line.startswith("/"):
            self.conversation.again = 0
            self._ask(line)
            return True
        name, _, rest = line[1:].partition(" ")
        command = COMMANDS.get(name)
        if command is None:
            err(unknown_command(name))
            return True
        try:
            after = command.function(self.conversation, rest.strip())
        except Failure as failure:
            err(str(failure))
            return True
        if after.question is not None:
            self._ask(after.question)
        return not after.ends

    def _ask(self, question: str) -> None:
        conversation = self.conversation
        try:
            query, options = conversation.query(question), conversation.asked_options()
            result = self.screen.answer(conversation.ensemble, query, options)
        except Failure as failure:
            self._failed += 1
            if failure.result is not None:
                conversation.count(failure.result)
                self.screen.failed(failure.result)
            err(f"no answer: {failure}")
            return
        self._answered += 1
        conversation.keep(question, result)
