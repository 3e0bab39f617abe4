"""What inside another fuse of a fuse: members, formulas, prompts, lists."""

import pytest


@pytest.fixture
def fuse(graph, zoo):
    """Compile a recipe over P, Q and R, and return the fuse that it asks."""
    return lambda text: graph(text, models=zoo).answer.inputs[1]


def members(node):
    return [each.get("name") for each in node.inputs]


def test_members_stand_in_order(fuse):
    assert members(fuse("token_fuse(R, P, Q)")) == ["R", "P", "Q"]
    assert members(fuse("span_fuse(R, P)")) == ["R", "P"]


def test_a_list_is_its_branches(fuse):
    node = fuse("token_fuse([P, second: Q], R)")
    assert members(node) == ["P", "Q", "R"]
    assert node.get("names") == ("P", "second", "R")


@pytest.mark.parametrize(
    ("formula", "coefficients"),
    [
        ("P + Q", {"P": 1, "Q": 1}),
        ("P - Q", {"P": 1, "Q": -1}),
        ("P + 0.8 * (Q - R)", {"P": 1, "Q": 0.8, "R": -0.8}),
        ("P + (Q - R) * 0.5", {"P": 1, "Q": 0.5, "R": -0.5}),
        ("P + (Q - R) / 4", {"P": 1, "Q": 0.25, "R": -0.25}),
        ("-P + 3 * Q", {"P": -1, "Q": 3}),
        ("-(P - Q)", {"P": -1, "Q": 1}),
        ("P + P + Q", {"P": 2, "Q": 1}),
        ("2 * 3 * P - (1 + 1) * Q", {"P": 6, "Q": -2}),
        ("P + n * Q", {"P": 1, "Q": 0.1}),
        ("P + 2 * n * (Q - n * R)", {"P": 1, "Q": 0.2, "R": -0.02}),
        ("P + 0.5 * change", {"P": 1, "Q": 0.5, "R": -0.5}),
        ("whole", {"P": 2, "Q": 1, "R": -1}),
    ],
)
def test_a_formula_is_a_sum_of_log_probabilities(fuse, formula, coefficients):
    names = "param n: float = 0.1\nlet change = Q - R\nlet whole = 2 * P + change\n"
    node = fuse(f"{names}token_fuse({formula})")
    assert dict(zip(members(node), node.get("weights"), strict=True)) == pytest.approx(coefficients)
    assert node.get("combine").name == "logs"
    assert node.get("normalize") is False


def test_a_formula_may_come_through_a_def(fuse):
    node = fuse("def steered(by, much) = token_fuse(P + much * by)\nsteered(Q - R, 0.5)")
    assert dict(zip(members(node), node.get("weights"), strict=True)) == {
        "P": 1,
        "Q": 0.5,
        "R": -0.5,
    }


def test_a_formula_may_be_normalized(fuse):
    assert fuse("token_fuse(P + Q, normalize = true)").get("normalize") is True


def test_a_member_may_have_its_own_prompt(fuse):
    node = fuse('token_fuse(P, prompt("""{{ query }} Be wrong.""") -> P)')
    plain, prompted = node.inputs
    assert (plain.op, prompted.op) == ("model", "prompted")
    assert prompted.get("template").text == "{{ query }} Be wrong."
    assert prompted.inputs == (plain,)


def test_a_fuse_is_a_model(fuse):
    node = fuse("let pair = token_fuse(P, Q)\nspan_fuse(pair, R)")
    assert [each.op for each in node.inputs] == ["token_fuse", "model"]


def test_a_fuse_may_be_sampled_and_judge(graph, zoo):
    assert graph("sample(token_fuse(P, Q), 3) -> vote()", models=zoo).answer.op == "vote"
    assert graph("[P, Q] -> select(token_fuse(P, R))", models=zoo).answer.op == "select"


def test_equal_fuses_are_one(graph, zoo):
    bank = graph("[token_fuse(P, Q), token_fuse(P, Q)] -> vote()", models=zoo).answer.inputs[0]
    assert len({each.inputs[1] for each in bank.inputs}) == 1


@pytest.mark.parametrize(
    ("recipe", "code"),
    [
        ("token_fuse(P * Q)", "E405"),
        ("token_fuse(P / Q)", "E405"),
        ("token_fuse(P + 1)", "E405"),
        ("token_fuse(P + true)", "E405"),
        ("token_fuse(not P)", "E405"),
        ("token_fuse(P > Q)", "E405"),
        ("token_fuse(P / 0)", "E402"),
        ("token_fuse(P - P)", "E402"),
        ("token_fuse(P - Q, normalize = true)", "E402"),
        ("token_fuse(P + Q, R)", "E301"),
        ("span_fuse(P + Q)", "E301"),
        ("token_fuse()", "E206"),
        ("token_fuse([])", "E206"),
        ("token_fuse(P, [P, Q] -> vote())", "E301"),
        ("token_fuse(P, P -> Q)", "E301"),
        ("P + Q", "E405"),
        ("token_fuse(P, Q, weights = [1])", "E403"),
        ("token_fuse(P + Q, weights = [1, 2])", "E405"),
        ("token_fuse(P + Q, combine = mean)", "E405"),
        ("token_fuse(P(temperature = 1), Q)", "E203"),
        ("token_fuse(P, Q, temperature = 1)", "E203"),
        ("token_fuse(P, Q, weights = [1, -1])", "E402"),
        ("token_fuse(P, Q, weights = [0, 0])", "E402"),
        ("span_fuse(P, Q, weights = [1, -1])", "E402"),
        ("span_fuse(P, Q, weights = [a: 1, b: 1])", "E401"),
        ("token_fuse(P, Q, weights = 0.5)", "E401"),
    ],
)
def test_what_is_no_member_is_refused(codes, zoo, recipe, code):
    assert codes(recipe, models=zoo) == [code]


def test_fuses_inside_of_fuses_have_an_end(codes, zoo):
    nested = "let f0 = P\n" + "".join(f"let f{i} = token_fuse(f{i - 1}, Q)\n" for i in range(1, 99))
    assert codes(nested + "f98", models=zoo) == ["E116"]
