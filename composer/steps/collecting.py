"""Collecting: the lists that several candidates wrote become one list."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from composer.methods import Agreement, Exact, PartError, Reader
from composer.methods.aggregation import Aggregation, Union
from composer.methods.json_schema import json_text
from composer.methods.readers.lists import Items
from composer.steps.declare import step
from composer.steps.site import Complaint
from composer.values import Asker, Candidates, Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from composer.methods.agreements.base import Groups
    from composer.steps.site import Site


@step(paper="https://doi.org/10.1145/371920.372165")
async def collect(
    answers: Candidates,
    by: Aggregation = Union(),
    *,
    read: Reader = Items(),
    same: Agreement = Exact(),
    ask: Asker,
) -> Text:
    """Make one list of those that the candidates wrote: a list of JSON.

    `read` reads the list out of each answer, `same` says which items are the same, and `by` how the
    lists become one. An item is written as most lists write it. An answer without a list abstains.
    """
    written = [replace(text, text=text.answer or "") for text in answers.texts]
    read_lists = [_items(value) for value in await read.read_all(written, ask)]
    abstained = [name for name, each in zip(answers.names, read_lists, strict=True) if each is None]
    lists = [each for each in read_lists if each is not None]
    if not lists:
        raise PartError(
            "E705",
            "there is nothing to collect: no answer holds a list",
            "say in the prompt how the list should be written, or give another `read`, such as "
            '`read = json("items")`',
        )
    spellings = [item for each in lists for item in each]
    comparison = await same.compare(spellings, answers.query, ask)
    groups = await ask.compute(lambda: comparison.groups)
    numbers = _numbers(lists, groups)
    order = await ask.compute(lambda: by.order(numbers, len(groups)))
    names = [_usual(spellings, group) for group in groups]
    counts = {names[item]: sum(item in each for each in numbers) for item in order}
    ask.note(lists=len(lists), items=counts, **({"abstained": abstained} if abstained else {}))
    joined = json.dumps([names[item] for item in order], ensure_ascii=False)
    return Text(answers.query, joined, "collect")


@collect.check
def there_are_lists_to_join(site: Site) -> Iterator[Complaint]:
    """The list of one answer stays as it is."""
    if site.inputs[0].count == 1:
        yield Complaint(
            "W304",
            "`collect` has only one answer, and so it keeps the list of that",
            "one answer",
            "give it several: `[A, B, C] -> collect()` or `sample(A, 5) -> collect()`",
        )


def _items(value: str | None) -> list[str] | None:
    """Return the items of a list of JSON, None for any other value."""
    try:
        items = None if value is None else json.loads(value)
    except ValueError:
        return None
    if not isinstance(items, list):
        return None
    return [text for each in items if (text := json_text(each).strip())]


def _numbers(lists: Sequence[Sequence[str]], groups: Groups) -> list[list[int]]:
    """Return the lists with the number of its group for each item, the first of equal ones."""
    group_of = {place: number for number, group in enumerate(groups) for place in group}
    numbers, start = [], 0
    for each in lists:
        places = range(start, start + len(each))
        numbers.append(list(dict.fromkeys(group_of[place] for place in places)))
        start += len(each)
    return numbers


def _usual(spellings: Sequence[str], group: Sequence[int]) -> str:
    """Return the spelling that most lists have, the first of equal ones."""
    written = [spellings[place] for place in group]
    return max(dict.fromkeys(written), key=written.count)
