"""The rules change what a recipe costs, never what it answers."""

from hypothesis import given
from hypothesis import strategies as st

from composer.recipe import Recipe
from composer.run import Failure

MODELS = """
model A = fake(says = "a", confidence = 0.9, price = [1, 1])
model B = fake(says = "b 2", confidence = 0.4, price = [1, 1])
model D = fake(among = ["a", "b 2", "7"], confidence = 0.6, price = [1, 1])
model H = fake(confidence = 0.5, price = [1, 1])
model E = fake(style = echo, price = [1, 1])
model K = fake(knows = [["Why", "a"], ["a", "7"]], says = "b 2", confidence = 0.8, price = [1, 1])
model broken = fake(fails = true, price = [1, 1])
let shared = D(temperature = 1)
let drawn = sample(H, 2)
def twice(x) = [x, x, A] -> vote()
"""

names = st.sampled_from(["A", "B", "D", "H", "K", "D", "H", "broken", "shared"])
judges = st.sampled_from(["A", "B", "D", "E"])
rules = st.sampled_from(
    [
        "true",
        "false",
        "confidence >= 0.6",
        "agreement > 0.5",
        "length > 1 and not confidence < 0.5",
        "margin >= 0.3 or answered == 0",
    ]
)
templates = st.sampled_from(['"""{{ query }}"""', '"""Why {{ query }}?"""', "plain"])
readers = st.sampled_from(["number()", "line()", 'pattern("[0-9]+")'])
votes = st.sampled_from(
    [
        "",
        "soft = true",
        "soft = true, ties = first()",
        "ties = first()",
        "ties = confident()",
        "by = numeric(), soft = true",
        "by = rouge(), reduce = medoid()",
    ]
)
early_votes = st.sampled_from(["", ", ties = first()", ", by = exact()"])
policies = st.sampled_from(["one()", "one(cost = 1)", "threshold(at = 0.6)", "threshold()"])
estimators = st.sampled_from(["uniform()", "random()", "length(threshold = 3)"])


def fill(form, *values):
    """Draw values, and write them into a form."""
    return st.tuples(*values).map(lambda drawn: form.format(*drawn))


def answers(inner):
    """Steps that give one answer, made of steps that do."""
    several = candidates(inner)
    branches = st.lists(inner, min_size=1, max_size=3).map(", ".join)
    return st.one_of(
        fill("({} -> vote({}))", several, votes),
        fill("({} -> vote({}))", several, votes),
        fill(
            "({} -> vote(until = decided(batch = {}){}))",
            one_by_one(inner),
            st.integers(1, 3),
            early_votes,
        ),
        fill(
            "({} -> rank(by = {}()) -> best())", several, st.sampled_from(["longest", "shortest"])
        ),
        fill("({} -> select({}))", several, judges),
        fill("({} -> regenerate({}))", several, judges),
        fill("({} -> extract({}))", inner, readers),
        fill("({} -> cascade({}, accept = {}))", inner, inner, rules),
        fill("cascade({}, {}, {}, accept = {})", inner, inner, inner, rules),
        fill("({} | {})", inner, inner),
        fill("(route(by = {}, policy = {}) -> [{}])", estimators, policies, branches),
        fill("(prompt({}) -> {})", templates, inner),
        fill('({} -> prompt("""{{{{ answer }}}}""") -> {})', inner, inner),
        fill("twice({})", inner),
        fill("[{}]", inner),
    )


def one_by_one(inner):
    """Answers that can be asked for in turn, made of steps that give one."""
    bank = st.lists(inner, min_size=1, max_size=4).map(", ".join).map("[{}]".format)
    both = st.one_of(
        bank,
        fill("[x: {}, {}]", bank, inner),
        fill("sample({}, {})", st.sampled_from("DHK"), st.integers(1, 4)),
        st.just("drawn"),
        st.just("[drawn, drawn]"),
        fill("(route(by = {}, policy = several(k = 2)) -> [{}, {}])", estimators, inner, inner),
    )
    return st.one_of(both, fill("({} -> extract({}))", both, readers))


def candidates(inner):
    """Steps that give several answers, made of steps that give one."""
    bank = st.lists(inner, min_size=1, max_size=4).map(", ".join).map("[{}]".format)
    both = st.one_of(
        bank,
        bank,
        fill("[x: {}, {}]", bank, inner),
        fill("[[{}], {}]", bank, inner),
        fill("sample({}, {})", st.sampled_from("DHK"), st.integers(1, 3)),
        st.just("drawn"),
        fill("(route(by = {}, policy = several(k = 2)) -> [{}, {}])", estimators, inner, inner),
    )
    return st.one_of(
        both,
        both,
        fill("({} -> rank(by = longest()) -> top({}))", both, st.integers(1, 2)),
        fill("({} -> extract({}))", both, readers),
        fill("(sample(D, 2) | {})", both),
    )


drawn_names = fill("{}(temperature = {})", st.sampled_from("DH"), st.sampled_from(["0.5", "1"]))
recipes = st.recursive(st.one_of(names, names, drawn_names), answers, max_leaves=12)


def outcome(text, **how):
    """Answer with a recipe; return what is known of the answer, or the code of the failure."""
    with Recipe.load(f"{MODELS}{text}\n", **how).ready() as ensemble:
        try:
            result = ensemble("Why?")
        except Failure as failure:
            return failure.code
        said = result.text
        return said.text.strip(), said.value, said.confidence, result.answer


@given(recipes, st.integers(0, 3))
def test_a_recipe_answers_the_same_with_and_without_the_rules(text, seed):
    assert outcome(text, seed=seed) == outcome(text, seed=seed, plain=True)


leaves = st.sampled_from(["A", "B", "D", "K", "H", "D(temperature = 1)", "shared"])


def soft(inner):
    """Soft votes over answers, with weights or without."""
    options = st.sampled_from(["", ", ties = first()", ", by = numeric()", ", ties = confident()"])
    pairs = st.lists(st.tuples(inner, st.sampled_from([0, 0.5, 1, 2])), min_size=1, max_size=3)
    return st.tuples(
        pairs.filter(lambda each: any(w for _, w in each)), st.booleans(), options
    ).map(
        lambda drawn: "([{}] -> vote(soft = true{}{}))".format(
            ", ".join(answer for answer, _ in drawn[0]),
            f", weights = {[weight for _, weight in drawn[0]]}" if drawn[1] else "",
            drawn[2],
        )
    )


@given(st.recursive(leaves, soft, max_leaves=10), st.integers(0, 3))
def test_soft_votes_over_soft_votes_answer_the_same(text, seed):
    assert outcome(text, seed=seed) == outcome(text, seed=seed, plain=True)


def test_sampled_work_is_drawn_alike_with_and_without_the_rules():
    text = "[D(temperature = 1), H(temperature = 1), shared, drawn, drawn] -> rank(by = longest())"
    for seed in range(5):
        text_ = f"{text} -> top(4) -> prompt(aggregate) -> E"
        assert outcome(text_, seed=seed) == outcome(text_, seed=seed, plain=True)
