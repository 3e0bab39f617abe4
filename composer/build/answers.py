"""What teachers answer to the questions of a corpus: asked once, and kept line by line."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from composer.run.clients import ModelClients
from composer.values import Generate, ModelError, Sampling

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from composer.engine.engine import Engine
    from composer.methods.distillation.objectives import TeacherAnswers
    from composer.values import Model, Query

__all__ = ["collect_answers"]

AT_ONCE = 8
"""How many questions wait for their answers at the same time."""

TOLD = 100
"""After so many answers it is told how far they are."""

Key = tuple[int, int]


def collect_answers(  # noqa: PLR0913 - who answers what, how, and where it is kept
    teachers: Sequence[Model],
    asked: Sequence[Query],
    objective: TeacherAnswers,
    engine: Callable[[], Engine],
    folder: Path,
    tell: Callable[[str], None],
) -> list[tuple[Query, str]]:
    """Return each question with each answer of each teacher; empty answers are left out.

    What `folder` has already is not asked again. Raises the ModelError of a question that fails;
    the answers until then are kept.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = _Store(folder / "answers.jsonl", teachers, asked, objective, tell)
    if store.open_questions():
        asyncio.run(store.ask(engine))
    texts = store.read()
    kept = [(asked[n], text) for (_, n), found in sorted(texts.items()) for text in found]
    kept = [(query, text) for query, text in kept if text.strip()]
    if not kept:
        raise ModelError("E701", "no teacher has answered a question of the corpus with a text")
    return kept


@dataclass(frozen=True)
class _Store:
    """The file that has the answers: a line for each teacher and question, by their numbers."""

    path: Path
    teachers: Sequence[Model]
    asked: Sequence[Query]
    objective: TeacherAnswers
    tell: Callable[[str], None]

    def read(self) -> dict[Key, list[str]]:
        """Return what is there; a line that was not written to its end is not."""
        found: dict[Key, list[str]] = {}
        for line in self._lines():
            try:
                row = json.loads(line)
            except ValueError:
                continue
            found[row["teacher"], row["question"]] = row["texts"]
        return found

    def open_questions(self) -> list[Key]:
        """Return what is still to be asked."""
        found = self.read()
        keys = ((t, n) for t in range(len(self.teachers)) for n in range(len(self.asked)))
        return [key for key in keys if key not in found]

    async def ask(self, engine: Callable[[], Engine]) -> None:
        """Ask all that is open, several at once, and write each answer when it comes."""
        running = engine()  # one for all workers, who would each start one
        clients = ModelClients(lambda _: running, {})
        waiting, written = self.open_questions()[::-1], list[Key]()
        count = len(waiting)
        self._end_line()
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(self._work(waiting, written, clients, count))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        finally:
            await clients.close()

    async def _work(
        self, waiting: list[Key], written: list[Key], clients: ModelClients, count: int
    ) -> None:
        while waiting:
            key = teacher, number = waiting.pop()
            texts = await self._texts(self.teachers[teacher], self.asked[number], number, clients)
            row = {"teacher": teacher, "question": number, "texts": texts}
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
            written.append(key)
            if len(written) % TOLD == 0 or len(written) == count:
                self.tell(f"teachers have answered {len(written):,} of {count:,} questions")

    async def _texts(
        self, teacher: Model, query: Query, number: int, clients: ModelClients
    ) -> list[str]:
        objective = self.objective
        sampling = Sampling(temperature=objective.temperature, max_tokens=objective.max_tokens)
        seeds = tuple(number * objective.n + draw for draw in range(objective.n))
        request = Generate(teacher, query, sampling, draws=objective.n, seeds=seeds)
        client = await clients.of(teacher)
        async with clients.within(teacher):
            given = await client.generate(request)
        return [each.text for each in given.draws]

    def _lines(self) -> Iterator[str]:
        if self.path.is_file():
            yield from self.path.read_text(encoding="utf-8", errors="replace").splitlines()

    def _end_line(self) -> None:
        """End a line that a killed process has begun."""
        if self.path.is_file() and not self.path.read_bytes().endswith(b"\n"):
            with self.path.open("a", encoding="utf-8") as file:
                file.write("\n")
