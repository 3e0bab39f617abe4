"""A recipe over two recorded models, and rows where words say which of them is right."""

import json

import pytest

from composer.fit import typicality, validation
from composer.fit.fitting import fit
from composer.fit.settings import FitSettings
from composer.recipe import Recipe

WORDS = {"maths": ("add", "sum", "times"), "text": ("word", "plural", "spell")}
RECIPE = """\
model A = recorded("rows.jsonl", "alpha")
model B = recorded("rows.jsonl", "beta")
route(by = {by}, policy = {policy}) -> [A, B]
"""


def rows_of(count=60):
    """Return rows of two kinds: alpha is right about maths, beta about text and half of maths."""
    rows = []
    for at in range(count):
        kind = "maths" if at % 2 else "text"
        words = WORDS[kind]
        right = {"alpha": kind == "maths", "beta": kind == "text" or at % 4 == 1}
        cost = {"alpha": 0.001, "beta": 0.01}
        rows.append(
            {
                "id": f"q{at}",
                "query": f"{words[at % 3]} {words[(at // 3) % 3]} {at}",
                "tags": [kind, f"{kind}-{words[at % 3]}"],
                "recorded": {
                    name: {"text": name, "correct": right[name], "cost": cost[name]}
                    for name in right
                },
            }
        )
    return rows


@pytest.fixture(scope="session", autouse=True)
def _few_draws():
    """Draw less often: a fit takes most of its time for how sure its report is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation, "DRAWS", 20)
        patch.setattr(typicality, "BATCHES", 20)
        yield


class Desk:
    """A folder with data and recipes."""

    def __init__(self, folder):
        self.folder = folder
        self.data = folder / "rows.jsonl"

    def rows(self, rows):
        self.data.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return self.data

    def recipe(self, by="linear()", policy="gap()", name="r.ens", text=RECIPE):
        path = self.folder / name
        path.write_text(text.format(by=by, policy=policy))
        return path

    def fit(self, path, **how):
        return fit(FitSettings(Recipe.load(path), self.data, **how))


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path)
    made.rows(rows_of())
    return made


@pytest.fixture
def rows():
    return rows_of()
