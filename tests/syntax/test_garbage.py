from hypothesis import given
from hypothesis import strategies as st

from composer.diagnostics import CODES, Mistakes, Source
from composer.syntax import parse

WORDS = """use model param let def default example and or not true false none as
-> | = == : , ( ) [ ] + - * / < > A f 3 0.5 "x" \"\"\"y\"\"\" " \"\"\" ' # <<<<<<< @ é"""
PIECES = st.sampled_from([*WORDS.split(), "\n", "\n", "\t"])


def only_mistakes(text):
    try:
        parse(Source("r.ens", text))
    except Mistakes as error:
        drawn, found = str(error), error.diagnostics
    else:
        return
    assert drawn
    assert all(mistake.code in CODES and mistake.place for mistake in found)


@given(st.text())
def test_any_text_gives_a_tree_or_mistakes(text):
    only_mistakes(text)


@given(st.lists(PIECES, max_size=30), st.sampled_from([" ", "", "\n"]))
def test_any_order_of_words_gives_a_tree_or_mistakes(pieces, between):
    only_mistakes(between.join(pieces))


@given(st.integers(0, 400), st.integers(0, 6))
def test_a_recipe_with_a_piece_cut_out_gives_a_tree_or_mistakes(start, length):
    recipe = (
        'use "zoo.ens" (A, B as C)\nmodel D = endpoint("name", price = [0.4, 1.6])\n'
        "param doubt: float = 0.6\ndef layer(members) = prompt(aggregate) -> members\n"
        'default generate(temperature = 0)\nexample "What is 17 plus 25?"\n'
        'let t = prompt("""\n  {{ query }}\n  """)\n'
        "route -> [span_fuse(A, C)]\n  -> cascade(D, accept = confidence >= doubt)\n"
    )
    only_mistakes(recipe[:start] + recipe[start + length :])
