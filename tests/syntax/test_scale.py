import subprocess
import sys
import time

import pytest

from composer.diagnostics import Mistakes, Source
from composer.syntax import parse, parse_expression, unparse


def seconds(text):
    source = Source("r.ens", text)
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        parse(source)
        best = min(best, time.process_time() - start)
    return best


def lets(count):
    return "".join(f"let x{i} = token_fuse(A, B, n = {i})\n" for i in range(count))


def test_a_thousand_statements_parse_in_well_under_a_second():
    parse(Source("r.ens", "a"))
    assert seconds(lets(1000)) < 1


@pytest.mark.slow
def test_time_grows_with_the_number_of_statements():
    assert seconds(lets(2000)) < 8 * seconds(lets(500))


@pytest.mark.parametrize(
    ("sign", "kind"), [(" -> ", "stages"), (" | ", "choices"), (", ", "branches")]
)
def test_ten_thousand_items_in_a_row_are_one_flat_tuple(sign, kind):
    text = sign.join(f"a{i}" for i in range(10_000))
    tree = parse_expression(f"[{text}]" if kind == "branches" else text)
    assert len(getattr(tree, kind)) == 10_000
    assert len(unparse(tree)) > 60_000


@pytest.mark.parametrize(
    "text",
    [
        "(" * 2000 + "a" + ")" * 2000,
        "[" * 2000,
        "f(" * 2000 + ")" * 2000,
        "not " * 2000 + "a",
        "-" * 2000 + "a",
        " + ".join("a" * 2000),
        "a" + "(b" * 101 + ")" * 101,
    ],
)
def test_what_nests_too_deep_is_refused_in_words(text):
    with pytest.raises(Mistakes, match="nested more than 100 levels deep"):
        parse_expression(text)


@pytest.mark.parametrize(
    "text",
    ["(" * 100 + "a" + ")" * 100, "-" * 99 + "a", " + ".join("a" * 100), "[" * 50 + "]" * 50],
)
def test_what_nests_just_deep_enough_is_read_and_written(text):
    tree = parse_expression(text)
    assert parse_expression(unparse(tree)) == tree
    assert hash(tree) == hash(parse_expression(text))


def test_parsing_imports_no_heavy_module():
    code = (
        "import sys; from composer.syntax import parse; from composer.diagnostics import Source\n"
        "assert 'lark' not in sys.modules\n"
        "parse(Source('r.ens', 'A'))\n"
        "assert not {'torch', 'networkx', 'numpy', 'pydantic'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
