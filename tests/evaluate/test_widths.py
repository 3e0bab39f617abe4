"""No line of a report is wider than the terminal, however many models a recipe has."""

import json

import pytest

from composer import load
from composer.diagnostics.printable import PIPED
from composer.evaluate import compare, decide_only, decided, read_rows, render, shown

pytestmark = pytest.mark.usefixtures("few_draws")

WIDTHS = [60, 80, 120]


@pytest.fixture(scope="module", params=[11, 51])
def reports(request, tmp_path_factory):
    """A vote and a route over many models with long names: what `eval` finds, how many there are.

    Only the first rows have costs for all, so that every kind of line is there.
    """
    path, count = tmp_path_factory.mktemp("wide") / "rows.jsonl", request.param
    names = [f"a-house/some-model-{at:02d}b-instruct" for at in range(count)]
    rows = []
    for at in range(12):
        recorded = {
            name: {"text": "x", "correct": (at + index) % 3 > 0, "cost": 1e-5 * index}
            for index, name in enumerate(names)
        }
        rows.append(
            {"query": f"q{at}" * (1 + at), "tags": [f"t{at % 3}", "all"], "recorded": recorded}
        )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    models = "".join(
        f'model some_model_{at:02d}_instruct = recorded("{path}", "{name}")\n'
        for at, name in enumerate(names)
    )
    bank = ", ".join(f"some_model_{at:02d}_instruct" for at in range(count))
    data = read_rows(path)
    vote = load(f"{models}[{bank}] -> vote()", root="/")
    route = load(f'{models}route(by = knn("{path}", k = 3)) -> [{bank}]', root="/")
    return compare([vote, route], data), decide_only(route, data), count


@pytest.mark.parametrize("width", WIDTHS)
def test_lines_are_at_most_as_wide_as_the_terminal_and_lose_nothing(reports, width):
    compared, decision, count = reports

    for text in (render(compared, width=width), shown(decided([decision]), width=width)):
        assert max(map(len, text.splitlines())) <= width
        assert "…" not in text
        assert all(f"  some_model_{at:02d}_instruct" in text for at in range(count))
        assert "mean cost" in text
        assert "difference" in text


def test_without_a_terminal_lines_have_a_width_that_is_stated(reports, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    compared, _, _ = reports

    assert PIPED - 30 < max(map(len, render(compared).splitlines())) <= PIPED == 100
