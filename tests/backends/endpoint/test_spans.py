"""Spans of models behind servers."""

from small_server import serving

import composer
from composer import zoo


def test_spans_ask_for_no_least_number_of_tokens_unless_an_answer_has_one():
    with serving(zoo.folder("general-1"), lacks="min_tokens") as url:
        options = f'url = "{url}", tokenizer = "{zoo.folder("general-1")}", api = completions'
        options += ", probe = false, abilities = [echo: true, prompt_ids: true, top: 5]"
        recipe = composer.load(
            f'model A = endpoint("general-1", {options})\n'
            'model B = zoo("maths")\n'
            "let fused = span_fuse(A, B)\nfused(max_tokens = 2)"
        )
        assert recipe("What is 2 + 2?").answer
