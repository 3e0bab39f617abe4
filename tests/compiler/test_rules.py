"""Each rule fires where it should, leaves alone what it must, and keeps the graph legal."""

import pytest

from composer.compiler.rules import PASSES, Pass, illegal, optimize, pattern, rule
from composer.compiler.rules.flatten import WIDEST

UNIFORM = "route(by = uniform())"
ALL = "default bank(min = all)\n"
ROUTE = "route(by = random(), policy = several(k = 2)) -> [A, B, C]"
PRICED = "model X = fake(price = [1, 1])\nmodel Y = fake(price = [2, 2])\n"


@pytest.fixture
def fired(graph):
    """Compile and optimize a recipe; return the names of the rules that fired."""

    def run(text, *, plain=False, **how):
        compiled = graph(text, **how)
        optimized = optimize(compiled.graph, compiled.answer, plain=plain)
        for _, root, _ in optimized.after:
            assert illegal(root) == []
        return {each.rule.name for each in optimized.fired}

    return run


@pytest.fixture
def rooted(graph):
    """Compile and optimize a recipe; return what it became."""

    def run(text, **how):
        compiled = graph(text, **how)
        return optimize(compiled.graph, compiled.answer).root

    return run


FIRES = [
    ("lone_branch", "[A]"),
    ("lone_branch", "[[A]]"),
    ("lone_branch", "[[A, B]] -> vote()"),
    ("lone_choice", f"{UNIFORM} -> [A]"),
    ("lone_choice", f"{UNIFORM} -> A"),
    ("route_into_members", "route -> [span_fuse(P, Q)]"),
    ("route_into_members", "route -> token_fuse(P, Q)"),
    ("weightless_members", "token_fuse(P, Q, weights = [1, 0])"),
    ("weightless_members", "token_fuse(P + Q - Q)"),
    ("never_chosen", f"{UNIFORM} -> [A, B]"),
    ("never_chosen", "route(by = uniform(), policy = one()) -> [A, B]"),
    ("settled_cascade", "A -> cascade(B, accept = true)"),
    ("settled_cascade", "cascade(A, B, accept = true)"),
    ("flat_banks", "[[A, B], C] -> vote()"),
    ("flat_banks", "[[A, [B, C]], C] -> vote()"),
    ("flat_votes", f"{ALL}[[A, B] -> vote(soft = true), C] -> vote(soft = true)"),
    ("flat_fuses", "token_fuse(token_fuse(P, Q), R)"),
    ("flat_fuses", "token_fuse(token_fuse(P + 0.5 * Q) - R)"),
    ("one_vocabulary", "token_fuse(P, Q, align = union())"),
    ("one_forward", 'token_fuse(P, prompt("""x {{ query }}""") -> P)'),
    ("lazy_members", "token_fuse(P, Q, gate = unsure())"),
    ("greedy_once", "[A, A] -> vote()"),
    ("early_vote", "[A, B, C] -> vote(until = decided())"),
    ("early_vote", "[A, B, C] -> extract(number()) -> extract(line()) -> vote(until = decided())"),
    ("early_vote", "sample(A, 5) -> extract(number()) -> vote(until = decided())"),
    ("early_vote", f"{ROUTE} -> vote(routed = true, until = decided())"),
]

RESTS = [
    ("lone_branch", "[A, B] -> vote()"),
    ("lone_choice", f"{UNIFORM} -> [A, B]"),
    ("route_into_members", "route -> [token_fuse(P, Q), R]"),
    ("route_into_members", "route -> [P, Q]"),
    ("weightless_members", "token_fuse(P, Q, weights = [1, 0.1])"),
    ("weightless_members", "token_fuse(P, Q)"),
    ("weightless_members", "token_fuse(P, Q, weights = [0, 1], gate = unsure())"),
    ("lazy_members", "token_fuse(P, Q)"),
    ("flat_fuses", "token_fuse(token_fuse(P, Q), R, gate = unsure())"),
    ("flat_fuses", "token_fuse(token_fuse(P, Q), R, weigh = entropy())"),
    ("flat_fuses", "token_fuse(token_fuse(P, Q, combine = maximum()), R, combine = maximum())"),
    ("weightless_members", "span_fuse(P, Q, weights = [1, 0])"),
    ("never_chosen", "route(by = random()) -> [A, B]"),
    ("never_chosen", f"{PRICED}route(by = uniform(), policy = one(cost = 1)) -> [X, Y]"),
    ("never_chosen", "route(by = uniform(), policy = threshold(at = 0.6)) -> [A, B]"),
    ("never_chosen", "route(by = uniform(), policy = several()) -> [A, B] -> vote()"),
    ("settled_cascade", "A -> cascade(B, accept = false)"),
    ("settled_cascade", "A -> cascade(B)"),
    ("flat_banks", "[[A, B] -> vote(), C] -> vote()"),
    ("flat_banks", "[[A, B] -> extract(), C] -> vote()"),
    ("flat_votes", "[[A, B] -> vote(soft = true), C] -> vote(soft = true)"),
    ("flat_votes", f"{ALL}[[A, B] -> vote(soft = true), C] -> vote()"),
    ("flat_votes", f"{ALL}[[A, B] -> vote(), C] -> vote(soft = true)"),
    ("flat_votes", f"{ALL}[[A, B] -> vote(soft = true, weights = [1, 0]), C] -> vote(soft = true)"),
    ("flat_votes", f"{ALL}[[A, B] -> extract() -> vote(soft = true), C] -> vote(soft = true)"),
    ("flat_votes", f"{ALL}[[A, B] -> vote(soft = true, by = numeric()), C] -> vote(soft = true)"),
    ("flat_votes", f"{ALL}[[A, B] -> vote(soft = true, ties = first()), C] -> vote(soft = true)"),
    ("flat_votes", f"{ALL}[sample(A, 2) -> vote(soft = true), C] -> vote(soft = true)"),
    ("flat_fuses", "token_fuse(token_fuse(P, Q, combine = logs), R)"),
    ("flat_fuses", "token_fuse(token_fuse(P + 0.5 * Q), R, combine = logs)"),
    ("flat_fuses", "span_fuse(token_fuse(P, Q), R)"),
    ("one_vocabulary", "token_fuse(P, Q)"),
    ("one_forward", "token_fuse(P, Q)"),
    ("one_forward", "span_fuse(P, P)"),
    ("greedy_once", "[A(temperature = 1), A(temperature = 1)] -> vote()"),
    ("greedy_once", "sample(A, 2) -> vote()"),
    ("drafted_fuse", "token_fuse(P, Q)"),
    ("early_vote", "[A, B, C] -> vote()"),
    ("early_vote", "let d = sample(A, 5)\n[d -> vote(until = decided()), d -> vote()] -> vote()"),
]


BY_TIMINGS = {"drafted_fuse"}
"""Rules that fire only where timings are saved: `test_drafting.py`."""


@pytest.mark.parametrize(("name", "text"), FIRES)
def test_a_rule_fires(fired, graph, zoo, name, text):
    assert name in fired(f"{zoo}{text}")


@pytest.mark.parametrize(("name", "text"), RESTS)
def test_a_rule_leaves_alone_what_it_must(fired, zoo, name, text):
    assert name not in fired(f"{zoo}{text}")


def test_every_rule_is_tested_both_ways():
    rules = {each.name for pass_ in PASSES for each in pass_.rules}
    fires = {name for name, _ in FIRES} | BY_TIMINGS
    assert fires == {name for name, _ in RESTS} == rules


def test_every_rule_says_why(graph):
    for each in PASSES:
        assert all(len(rule_.summary.split()) > 5 for rule_ in each.rules)


def test_a_plain_recipe_only_gets_its_meaning(fired):
    assert fired("[[A, A] -> vote(), [B]] -> vote()", plain=True) == {"lone_branch"}


def test_weightless_members_go_with_their_names(rooted, zoo):
    fuse = rooted("token_fuse(P, Q, R, weights = [1, 0, 2])", models=zoo).inputs[1]
    assert fuse.get("names") == ("P", "R")
    assert fuse.get("weights") == (1, 2)


def test_weights_of_flat_fuses_multiply(rooted, zoo):
    text = "token_fuse(token_fuse(P, Q, weights = [1, 3]), R, weights = [2, 1])"
    fuse = rooted(text, models=zoo).inputs[1]
    assert dict(zip(fuse.get("names"), fuse.get("weights"), strict=True)) == {
        "token_fuse(P, Q).P": 0.5,
        "token_fuse(P, Q).Q": 1.5,
        "R": 1,
    }


def test_fuses_of_fuses_of_fuses_become_one(rooted, zoo):
    text = "token_fuse(token_fuse(token_fuse(P, Q), R), token_fuse(Q, R))"
    fuse = rooted(text, models=zoo).inputs[1]
    assert [each.op for each in fuse.inputs] == ["model"] * 5
    assert fuse.get("weights") == (0.25, 0.25, 0.5, 0.5, 0.5)


def test_votes_of_votes_share_their_weight(rooted):
    text = f"{ALL}[A, [B, C, B] -> vote(soft = true)] -> vote(soft = true, weights = [1, 3])"
    vote = rooted(text)
    assert vote.get("weights") == (1, 1, 1, 1)
    assert vote.inputs[0].get("names") == ("A", "vote.B", "vote.C", "vote.B#2")


def test_a_vote_that_stops_early_reads_each_answer_by_itself(rooted):
    text = "[A, B] -> extract(number()) -> extract(line()) -> vote(weights = [1, 2], until = {})"
    poll = rooted(text.format("decided()"))
    assert (poll.get("names"), poll.get("sizes"), poll.get("weights")) == (
        ("A", "B"),
        (1, 1),
        (1, 2),
    )
    assert [each.op for each in poll.lazy] == ["extract", "extract"]
    assert [each.get("by").name for each in (poll.lazy[0], poll.lazy[0].inputs[0])] == [
        "line",
        "number",
    ]


def test_the_widest_banks_stay_nested(rooted):
    half = ", ".join(["A"] * (WIDEST // 2))
    assert len(rooted(f"[[{half}], [{half}]] -> vote()").inputs[0].inputs) == WIDEST
    assert len(rooted(f"[[{half}], [{half}], B] -> vote()").inputs[0].inputs) == 3


def test_a_route_over_several_answers_keeps_a_lone_branch(rooted):
    assert rooted(f"{UNIFORM} -> [[A, B] -> vote()]").op == "vote"


def test_rules_that_undo_each_other_are_noticed(graph):
    @rule(pattern("vote", soft=True))
    def harden(graph, node):
        return graph.replaced(node, soft=False)

    @rule(pattern("vote", soft=False))
    def soften(graph, node):
        return graph.replaced(node, soft=True)

    compiled = graph("[A, B] -> vote()")
    with pytest.raises(RuntimeError, match="undo each other"):
        Pass("endless", (harden, soften)).run(compiled.graph, compiled.answer, [])


def test_a_pattern_matches_ops_inputs_and_options(graph):
    vote = graph("[A, B] -> vote(soft = true)").answer
    assert pattern("vote|rank").match(vote) == {}
    assert pattern("vote", pattern("bank", name="bank")).match(vote) == {"bank": vote.inputs[0]}
    assert pattern("vote", pattern("*"), name="it", soft=True).match(vote) == {"it": vote}
    assert pattern("vote", soft=False).match(vote) is None
    assert pattern("vote", pattern("rank")).match(vote) is None
    assert pattern("vote", pattern("*"), pattern("*")).match(vote) is None


def test_what_is_wrong_with_a_graph_is_said(graph):
    compiled = graph("[A, B] -> vote()")
    bank = compiled.answer.inputs[0]
    pool = compiled.graph
    unnamed = pool.replaced(bank, bank.inputs[:1])
    assert illegal(unnamed) == ["bank has 1 branches, but 2 names"]
    assert illegal(pool.node("best", (bank,))) == ["best takes no CANDIDATES as ranking"]
    assert illegal(pool.node("vote", (bank, bank))) == ["vote has 2 inputs"]
