"""How answers of a conversation are shown: live and coloured, plain, or as JSON lines."""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING

from composer.cli.chat.colours import Palette, Winners
from composer.cli.terminal import has_colours, is_terminal, out
from composer.diagnostics.amounts import cost_text
from composer.run.answer_stream import outcome
from composer.run.events import CallBegan, CallEnded
from composer.values.details import TokenChoice, TokenDetail

if TYPE_CHECKING:
    from rich.status import Status

    from composer.run import Ensemble, Result
    from composer.run.events import Event
    from composer.values import Query
    from composer.values.options import AnswerOptions

__all__ = ["Screen"]

WATCH = TokenDetail(members=1)
"""What is wanted of each token where members have colours."""


@dataclass
class Screen:
    """Shows answers on stdout: piece by piece where that is a terminal, by member in colour."""

    live: bool
    as_json: bool
    palette: Palette | None
    shows_work: bool = False

    @classmethod
    def of(cls, *, as_json: bool) -> Screen:
        """Return what suits stdout."""
        live = is_terminal(sys.stdout) and not as_json
        palette = Palette() if live and has_colours(sys.stdout) else None
        return cls(live, as_json, palette, live and is_terminal(sys.stderr))

    def answer(self, ensemble: Ensemble, query: Query, options: AnswerOptions | None) -> Result:
        """Ask, and show the answer; raises Failure. A KeyboardInterrupt cancels the work."""
        news: SimpleQueue[str | TokenChoice | Event | None] = SimpleQueue()
        watch = WATCH if self.live else None
        future = ensemble.start(
            query,
            options=options,
            on_text=news.put if self.live and ensemble.streams else None,
            on_token=news.put if self.live and ensemble.streams and watch else None,
            on_event=news.put if self.live else None,
            watch=watch,
        )
        future.add_done_callback(lambda _: news.put(None))
        piece = LivePiece(self)
        try:
            with self._work(streams=ensemble.streams) as status:
                calls = OpenCalls(status)
                while (item := news.get()) is not None:
                    match item:
                        case str():
                            piece.show(item)
                        case TokenChoice():
                            piece.add(item)
                        case _:
                            calls.tell(item)
            result = outcome(future)
        except BaseException:
            future.cancel()
            if piece.begun:
                out()
            raise
        self._whole(result, shown=piece.begun)
        return result

    def failed(self, result: Result) -> None:
        """Write a query that failed as a JSON line, where answers are lines too."""
        if self.as_json:
            out(json.dumps(result.as_dict(), ensure_ascii=False), as_json=True)

    def name_members(self, choice: TokenChoice) -> None:
        """Give each member of a fuse a colour, also those that win nothing."""
        if self.palette is not None:
            self.palette.add(member.name for member in choice.members)

    def paint(self, text: str, name: str | None) -> None:
        """Write a piece of an answer, in the colour of a member."""
        if self.palette is None:
            out(text, end="")
        else:
            out(self.palette.painted(text, name), end="", drawn=True)

    def _whole(self, result: Result, *, shown: bool) -> None:
        """Show an answer that was not shown piece by piece, and what it took."""
        if self.as_json:
            out(json.dumps(result.as_dict(), ensure_ascii=False), as_json=True)
            return
        if not self.live:
            out(str(result))
            return
        if not shown:
            for choice in result.text.choices if result.text is not None else ():
                self.name_members(choice)
            for text, name in _runs(result):
                self.paint(text, name)
        out()
        self._took(result)

    def _took(self, result: Result) -> None:
        """Say below an answer who wrote it, how long it took and what it cost."""
        calls = sum(usage.calls for usage in result.members.values())
        words = f"{calls} call{'' if calls == 1 else 's'}, {result.seconds:.2f} s"
        if result.cost:
            words += f", {cost_text(result.cost)}"
        if self.palette is None:
            out(f"({words})")
            return
        legend = f"{self.palette.legend()}   " if len(self.palette.colours) > 1 else ""
        out(f"{legend}\x1b[2m{words}\x1b[0m", drawn=True)

    def _work(self, *, streams: bool) -> AbstractContextManager[Status | None]:
        """Show who works, while nothing of the answer can be shown yet."""
        if not self.shows_work or streams:
            return nullcontext()
        from rich.console import Console

        console = Console(stderr=True, highlight=False, no_color=not has_colours(sys.stderr))
        return console.status("asking")


@dataclass
class LivePiece:
    """The answer as far as it is shown; blanks before its first letter are not."""

    screen: Screen
    winners: Winners = field(default_factory=Winners)
    begun: bool = False

    def add(self, choice: TokenChoice) -> None:
        """Take a token of what will be shown."""
        self.winners.add(choice)
        self.screen.name_members(choice)

    def show(self, text: str) -> None:
        """Show a piece."""
        text = text if self.begun else text.lstrip()
        for run, name in self.winners.runs(text) if text else ():
            self.screen.paint(run, name)
        self.begun = self.begun or bool(text)


@dataclass
class OpenCalls:
    """Names the models that are being asked, beside a sign that work goes on."""

    status: Status | None
    models: dict[tuple[str, int], str] = field(default_factory=dict)

    def tell(self, event: Event) -> None:
        """Take an event."""
        if isinstance(event, CallBegan):
            self.models[event.step, event.call] = event.model
        elif isinstance(event, CallEnded):
            self.models.pop((event.step, event.call), None)
        else:
            return
        if self.status is not None:
            from rich.markup import escape

            self.status.update(escape(f"asking {', '.join(self.models.values())}"))


def _runs(result: Result) -> list[tuple[str, str | None]]:
    """Cut an answer where another member begins; who wrote it alone, wrote all of it."""
    answer, text = str(result), result.text
    if text is None:
        return [(answer, None)]
    if text.extracted or not any(choice.members for choice in text.choices):
        return [(answer, text.source or None)]
    winners = Winners()
    for choice in text.choices:
        winners.add(choice)
    return list(winners.runs(answer))
