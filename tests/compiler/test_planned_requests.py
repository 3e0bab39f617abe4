"""A plan says how often the servers of a fuse's members are asked."""

import pytest

import composer
from composer import zoo

SERVER = 'url = "http://127.0.0.1:9/v1", probe = false, api = completions'


def lines(fuse):
    text = ""
    for name, chosen in (("A", 128), ("B", 0)):
        has = f"completions: true, top: 20, chosen: {chosen}, ids: true, echo: true"
        where = f'tokenizer = "{zoo.folder("general-1")}", abilities = [{has}]'
        text += f'model {name} = endpoint("m", {SERVER}, {where})\n'
    plan = composer.Recipe.load(text + 'model C = zoo("general-2")\n' + fuse).plan()
    return {each.member: each.requests for each in plan.requests}


@pytest.mark.parametrize(
    ("fuse", "often"),
    [
        ("token_fuse(A, B)", {"A": "1 to 2 requests a token", "B": "1 request a token"}),
        ("token_fuse(C, B, gate = unsure())", {"B": "1 request at each token at which the gate"}),
        (
            "token_fuse(A, C, draft = speculative(tokens = 4))",
            {"A": "1 to 2 requests a draft of up to 4 tokens"},
        ),
        ("span_fuse(B, C)", {"B": "at most 1 request a span to write it, and 1 to score"}),
        ("span_fuse(B, C, explore = branches())", {"B": "1 request a span for its first token"}),
        ("C", {}),
    ],
)
def test_each_member_behind_a_server_has_its_number(fuse, often):
    planned = lines(fuse)
    assert planned.keys() == often.keys()
    assert all(planned[name].startswith(text) for name, text in often.items())
