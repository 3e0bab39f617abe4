"""One server for all programs that ask it."""

import json
import random

import pytest
from serve_process import ROOT, ServeProcess

from composer import zoo

FUSED = """use "zoo.ens" (A, B, C)

example "What is 17 plus 25?"

token_fuse(A, B, C)
"""
CHOICES = 4
ITEMS = 40


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """Serve some recipes of the zoo; give the address, without `/v1`."""
    fused = tmp_path_factory.mktemp("served") / "fused.ens"
    fused.write_text(FUSED)
    shipped = [f"recipes/{name}.ens" for name in ("mission", "quickstart", "token/unite")]
    with ServeProcess(str(fused), *shipped, folder=ROOT) as process:
        yield process.address


@pytest.fixture
def v1(server):
    """Give the address as a client of OpenAI takes it."""
    return f"{server}/v1"


@pytest.fixture(scope="session")
def items():
    """Give some test items of the zoo, each with the answers to three others of its skill.

    Those of `steps` are left out: their references are not what a model writes.
    """
    lines = map(json.loads, zoo.items("test").read_text().splitlines())
    all_rows = [row for row in lines if "steps" not in row["tags"]]
    rows = random.Random(0).sample(all_rows, ITEMS)
    pools = {}
    for row in all_rows:
        pools.setdefault(row["tags"][0], set()).add(row["reference"])
    return [each for row in rows if (each := _choice(row, pools[row["tags"][0]]))]


def _choice(row, pool):
    """Add choices to an item, among them the right one; None where there are too few."""
    draw = random.Random(row["id"])
    others = sorted(pool - {row["reference"]})
    if len(others) < CHOICES - 1:
        return None
    choices = [row["reference"], *draw.sample(others, CHOICES - 1)]
    draw.shuffle(choices)
    return row | {"choices": choices}
