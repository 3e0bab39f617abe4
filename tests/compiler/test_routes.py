"""Routes and cascades: which branches are asked, and what becomes of the weights."""

import json

import pytest

FIRST = "route(by = uniform())"


def test_a_route_asks_only_the_branch_that_it_chose(calls, says):
    recipe = f"{FIRST} -> [B, A]"
    assert says(recipe, plain=True) == "b"
    assert calls(recipe, plain=True) == {"B": 1}


def test_a_route_over_branches_of_several_steps(says):
    assert says(f"{FIRST} -> [[A, B] -> rank() -> best(), C]", plain=True) == "a"


def test_a_route_over_one_branch_decides_nothing(calls):
    assert calls(f"{FIRST} -> [A]") == {"A": 1}
    assert calls(f"{FIRST} -> A") == {"A": 1}


def test_a_policy_of_several_gives_candidates_heaviest_first(says):
    recipe = "route(by = length(threshold = 1), policy = several(k = 2)) -> [A, B, C] -> shown()"
    assert says(recipe, "a long question, so that the last choices are best") == "C=c B=b"


def test_several_give_candidates_even_when_one_is_chosen(graph):
    recipe = "route(by = uniform(), policy = several(k = 1)) -> [A, B] -> vote()"
    assert graph(recipe).answer.inputs[0].op == "choose_many"


def test_a_threshold_takes_the_first_that_is_good_enough(says):
    assert says("route(by = uniform(), policy = threshold(at = 0.5)) -> [B, A]") == "b"
    assert says("route(by = uniform(), policy = threshold(at = 0.6)) -> [B, A]") == "a"


def test_a_price_counts_against_a_choice(says):
    models = 'model dear = fake(says = "dear", price = [9, 9])\n'
    models += 'model cheap = fake(says = "cheap", price = [1, 1])\n'
    recipe = "route(by = uniform(), policy = one(cost = 0.1)) -> [dear, cheap]"
    assert says(recipe, models=models) == "cheap"


def test_a_route_may_have_a_name(says):
    assert says(f"let chosen = {FIRST}\nchosen -> [B, A]") == "b"


def test_a_routed_bank_may_have_a_name(says):
    assert says(f"let pool = [B, A]\n{FIRST} -> pool", plain=True) == "b"


def test_a_route_and_its_bank_may_come_out_of_a_def(says, codes):
    defs = "def router(by) = route(by = by)\ndef again(by) = router(by)\n"
    defs += "def pool(x) = [x, A]\ndef wider(x) = pool(x)\n"
    assert says(defs + "router(uniform()) -> [B, A]", plain=True) == "b"
    assert says(defs + "again(uniform()) -> wider(B)", plain=True) == "b"
    assert says(defs + "route(by = uniform()) -> pool(C)", plain=True) == "c"
    assert codes(defs + "router() -> pool(C)") == ["E206"]
    assert codes(defs + "again(uniform())") == ["E304"]


def test_a_route_after_a_prompt_decides_about_the_new_question(says):
    recipe = f'prompt("""new""") -> {FIRST} -> [say, A]'
    assert says(recipe, plain=True) == "new"


def test_a_route_may_stand_in_a_branch(says):
    recipe = f"[left: {FIRST} -> [A, B], right: {FIRST} -> [C, B]] -> shown()"
    assert says(recipe, plain=True) == "left=a right=c"


def test_a_route_knows_its_branches_by_name_price_and_alias(tmp_path, graph):
    row = {"id": "1", "query": "q", "recorded": {"big": {"text": "x", "cost": 0.25}}}
    (tmp_path / "kept.jsonl").write_text(json.dumps(row) + "\n")
    models = 'model L = recorded("kept.jsonl", "big", price = [1, 3])\nmodel A = fake()\n'
    recipe = f"{FIRST} -> [L, fast: A, [A, L] -> vote()]"
    route = graph(recipe, models=models).answer.inputs[0]
    assert route.get("names") == ("L", "fast", "vote")
    assert route.get("aliases") == (("big",), (), ())
    assert route.get("prices") == ((1.0, 3.0), None, None)
    assert route.get("recorded_costs") == (0.25, None, None)


def test_a_branch_of_several_steps_costs_what_its_models_do_together(graph):
    models = "model A = fake(price = [1, 3])\nmodel B = fake(price = [2, 2])\n"
    recipe = f'{FIRST} -> [prompt("""{{query}}""") -> A, [A, B] -> vote(), A -> cascade(A)]'
    route = graph(recipe, models=models).answer.inputs[0]
    assert route.get("recorded_costs") == pytest.approx((0.002, 0.004, 0.002))


def test_a_policy_that_needs_unknown_costs_is_a_mistake(codes, graph):
    models = "model A = fake(price = [1, 3])\nmodel B = fake()\n"
    for policy in ("cheapest()", "budget(mean = 1)", "one(cost = 1)", "spend(total = 1)"):
        assert codes(f"route(by = uniform(), policy = {policy}) -> [A, B]", models=models) == [
            "E511"
        ]
    for policy in ("one()", "optimistic()", "threshold()"):
        assert graph(f"route(by = uniform(), policy = {policy}) -> [A, B]", models=models)
    assert graph("route(by = uniform(), policy = cheapest()) -> [A]", models=models)
    free = models.replace("B = fake()", "B = fake(price = [0, 0])")
    assert graph("route(by = uniform(), policy = cheapest()) -> [A, B]", models=free)


def test_the_route_over_one_fuse_weighs_its_members(load, zoo):
    recipe = load("route -> [span_fuse(P, Q, R)]", models=zoo)
    generate = recipe.optimized.root
    weigh = generate.inputs[1]
    assert (generate.op, weigh.op) == ("generate", "weigh")
    fuse, route = weigh.inputs
    assert fuse.op == "span_fuse"
    assert route.get("names") == fuse.get("names") == ("P", "Q", "R")
    assert route.get("fused") is True


def test_the_mission_line_compiles_to_a_cascade_after_a_weighed_fuse(load, zoo):
    models = zoo + 'model D = fake(says = "d")\n'
    root = load("route -> [span_fuse(P, Q, R)] -> cascade(D)", models=models).optimized.root
    assert [root.op, *(each.op for each in root.inputs)] == ["cascade", "generate", "generate"]
    assert root.inputs[0].inputs[1].op == "weigh"
    assert root.inputs[1].inputs[1].get("name") == "D"


def test_a_cascade_takes_an_answer_as_the_first_attempt(calls):
    assert calls("A -> cascade(C)") == {"A": 1}
    assert calls("B -> cascade(C)") == {"B": 1, "C": 1}


def test_a_cascade_given_a_query_lets_its_first_model_answer(calls):
    assert calls("cascade(A, C)") == {"A": 1}
    assert calls("cascade(B, C)") == {"B": 1, "C": 1}


def test_a_cascade_goes_on_until_an_answer_is_accepted(says, calls):
    recipe = "cascade(B, C, A, accept = confidence >= 0.6)"
    assert says(recipe) == "c"
    assert calls(recipe) == {"B": 1, "C": 1}


def test_the_last_stage_is_taken_as_it_is(says):
    assert says("cascade(A, C, B, accept = confidence >= 0.99)") == "b"


def test_a_later_stage_is_asked_the_query_not_the_answer(says):
    assert says("B -> cascade(say)", "What?") == "What?"
    recipe = 'prompt("""new""") -> B -> cascade(say)'
    assert says(recipe) == "new"


def test_a_stage_may_be_a_chain_of_its_own(says):
    assert says("B -> cascade([A, C] -> rank() -> best())") == "a"


def test_cascades_follow_each_other(says):
    assert says("B -> cascade(C, accept = confidence > 0.5) -> cascade(A)") == "c"


def test_agreement_is_known_after_a_vote(calls):
    recipe = "[A, A2, B] -> vote() -> cascade(C, accept = agreement > {})\n"
    models = "".join(f'model {n} = fake(says = "{n[0].lower()}")\n' for n in ("A", "A2", "B", "C"))
    assert "C" not in calls(recipe.format("0.6"), models=models)
    assert "C" in calls(recipe.format("0.7"), models=models)


@pytest.mark.parametrize(
    ("rule", "asked"),
    [
        ("confidence >= 0.4", False),
        ("confidence > 0.4", True),
        ("not confidence < 0.4", False),
        ("confidence > 0.3 and length < 2", False),
        ("confidence > 0.5 or length == 1", False),
        ("confidence > 0.5 or length == 1 and length == 2", True),
        ("confidence + 0.2 > 0.5", False),
        ("confidence * 2 > 0.5 + 0.4", True),
        ("true", False),
        ("false", True),
    ],
)
def test_a_rule_means_what_it_says(calls, rule, asked):
    assert ("C" in calls(f"B -> cascade(C, accept = {rule})")) is asked


def test_a_rule_may_have_a_name(calls):
    recipe = (
        "param doubt: float = 0.3\nlet sure = confidence > doubt\nB -> cascade(C, accept = sure)"
    )
    assert calls(recipe) == {"B": 1}
    assert calls(recipe, settings={"doubt": "0.5"}) == {"B": 1, "C": 1}


JUDGED = "route(J, by = asked(read = answer), policy = threshold(at = 0.5))"
JUDGE = 'model J = fake(says = "[[4]]")\n'


def test_a_model_in_brackets_is_asked_about_the_query(calls, says):
    assert says(f"{JUDGE}{JUDGED} -> [B, A]") == "b"
    assert calls(f"{JUDGE}{JUDGED} -> [B, A]") == {"J": 1, "B": 1}


def test_a_judged_route_decides_among_branches_of_several_steps(says):
    judge = 'model J = fake(says = "[[1]]")\n'
    assert says(f"{judge}{JUDGED} -> [[A, B] -> vote(ties = first()), C]") == "c"


def test_a_judged_route_may_come_out_of_a_def(says):
    judged = "def judged(j) = route(j, by = asked(read = answer))\njudged(J) -> [B, A]"
    assert says(JUDGE + judged) == "b"


def test_a_judge_and_an_estimator_that_asks_belong_together(codes):
    assert codes("route(C, by = uniform()) -> [A, B]") == ["E206"]
    assert codes("route(by = asked()) -> [A, B]") == ["E206"]


def test_a_judge_must_be_able_to_score_what_it_is_read_by(codes):
    assert codes("route(C, by = asked()) -> [A, B]") == ["E302"]
