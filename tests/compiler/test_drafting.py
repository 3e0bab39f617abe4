"""Drafts that are turned on by saved timings and agreement."""

import pytest

from composer.backends.zoo import Zoo
from composer.cli.agreeing import measure_agreement
from composer.compiler.rules.drafting import fuse_key, times_faster, written_in_a_turn
from composer.evaluate.rows import EvaluationRow
from composer.recipe import Recipe
from composer.specs import Declared
from composer.specs.shapes import shape_of
from composer.values.timings import (
    Agreement,
    DraftTime,
    ShapeTimings,
    StackedTime,
    Timings,
    this_machine,
    timings_file,
)

FUSE = 'model S = zoo("maths")\nmodel L = zoo("large")\ntoken_fuse(S, L)\n'


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def timings(name, decode, verify, many=2.0, **more):
    """Times of a pass of one token, and of one of several, which take as long with 16 rows."""
    shape = shape_of(Declared("M", Zoo(model=name)), "cpu")
    passes = dict.fromkeys((2, 3, 4, 5, 6, 8, 12, 16), verify)
    return ShapeTimings(
        shape=shape,
        device="cpu",
        name=name,
        decode={1: decode, 16: many * decode},
        verify={1: passes, 16: {n: many * each for n, each in passes.items()}},
        **more,
    )


def save(text=FUSE, lead=0.75, others=0.9, shapes=None, seen=2.0):
    """Save the agreement of the fuse of a recipe, and times; drafted answers are `seen` faster."""
    (fuse,) = Recipe.load(text).draftable
    agreement = Agreement(
        fuse=fuse_key(fuse),
        data="rows.jsonl",
        answers=5,
        tokens=100,
        lead=lead,
        others=others,
        drafts={3: {n: DraftTime(seconds=1, plain=seen) for n in (1, 16)}} if seen else {},
    )
    shapes = shapes or (timings("maths", 0.001, 0.001), timings("large", 0.004, 0.004))
    saved = Timings(machine=this_machine(gpu=False), shapes=shapes, agreements=(agreement,))
    timings_file().parent.mkdir(exist_ok=True)
    timings_file().write_text(saved.model_dump_json())
    return saved


def drafts(text=FUSE, **options):
    """The tokens of the drafts of a recipe; none where no draft was turned on."""
    options = [
        option.value
        for step in Recipe.load(text, **options).plan().steps
        for option in step.options
        if option.name == "draft"
    ]
    return [each for each in options if each != "none"]


def test_members_of_one_size_that_agree_write_twice_as_much_in_a_turn():
    assert written_in_a_turn(1, 1.0, 1.0) == 2
    assert written_in_a_turn(1, 0.0, 0.0) == 1


@pytest.mark.parametrize("share", [0.3, 0.71, 0.89])
def test_turns_of_one_token_write_two_in_two_less_the_share(share):
    # a token costs a pass, and one more after each refusal: 1 / (2 - share) tokens a pass
    assert written_in_a_turn(1, share, share) == pytest.approx(2 / (2 - share))


def test_a_turn_of_three_tokens_worked_by_hand():
    # half of the lead's are accepted, all of the others': p = 1/8; judged 1 + 1/2 + 1/4
    assert written_in_a_turn(3, 0.5, 1.0) == pytest.approx(1 / 8 + 7 / 4)
    # none of the others': with p the lead drafts two: p = 1/8 (1 - p) + 1/4 p = 1/7
    assert written_in_a_turn(3, 0.5, 0.0) == pytest.approx(1 / 7 + 6 / 7 * 7 / 4 + 1 / 7 * 3 / 2)


def test_seconds_of_a_turn_are_held_against_those_of_its_tokens():
    agreement = Agreement(fuse="f", data="d", answers=1, tokens=9, lead=1.0, others=1.0)
    lead, other = timings("maths", 0.001, 0.0015), timings("large", 0.004, 0.005)
    # three tokens drafted: two passes of 1 ms, one of 1.5, one of the other of 5; four written
    assert times_faster(3, agreement, lead, [other], 1) == pytest.approx(4 * 5 / 8.5)
    assert times_faster(3, agreement, lead, [other], 16) == pytest.approx(4 * 5 / 8.5)
    assert times_faster(6, agreement, lead, [other], 1) is None  # no pass of 7 tokens is saved


def test_a_turn_writes_no_more_than_an_answer_has():
    agreement = Agreement(fuse="f", data="d", answers=4, tokens=10, lead=1.0, others=1.0)
    lead, other = timings("maths", 0.001, 0.0015), timings("large", 0.004, 0.005)
    assert times_faster(3, agreement, lead, [other], 1) == pytest.approx(2.5 * 5 / 8.5)


def test_where_members_are_stacked_a_draft_must_beat_that():
    agreement = Agreement(fuse="f", data="d", answers=1, tokens=9, lead=1.0, others=1.0)
    stacked = {2: {1: StackedTime(seconds=0.001, apart=0.002)}}
    pair = [timings("maths", 0.001, 0.001, stacked=stacked) for _ in range(2)]
    assert times_faster(1, agreement, pair[0], pair[1:], 1) == pytest.approx(1.0)


def test_a_draft_is_turned_on_and_told_with_its_arithmetic():
    saved = save()
    recipe = Recipe.load(FUSE)
    assert drafts() == ['speculative(tokens = 3, lead = "cheapest")']
    assert recipe.plan().timings == saved.digest
    assert [rule.name for rule in recipe.plan().rules][-1] == "drafted_fuse"
    # p = .4219 / (1 - .1 * .5625 * .25) = .4279; judged 2.3125 or 1.75: 2.716 tokens in 7 ms
    (said,) = recipe.choices
    assert said == (
        "S, L write with drafts: 3 tokens drafted by S, 0.75 accepted: 1.9 times as fast, with 16 "
        "answers at once 1.9 times"
    )


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"lead": 0.1, "others": 0.1}, "0.1 accepted: "),
        ({"shapes": (timings("maths", 0.001, 0.001),)}, "no timings of `L` are saved"),
        (
            {"shapes": (timings("maths", 0.004, 0.009), timings("large", 0.004, 0.009))},
            "1.15 would be needed for both",
        ),
        ({"seen": 0.9}, "16 answers at once 1.9 times; but timed answers were 0.9 times as fast"),
        ({"seen": 0}, "such answers were not timed: run `compose doctor --measure RECIPE --data"),
    ],
)
def test_where_it_does_not_pay_the_reason_is_told(given, why):
    save(**given)
    assert drafts() == []
    (said,) = Recipe.load(FUSE).choices
    assert said.startswith("S, L write without drafts: ")
    assert why in said


def test_without_agreement_it_says_what_to_run():
    save(FUSE.replace("(S, L)", "(S, L, weights = [1, 3])"))
    assert drafts() == []
    assert "run `compose doctor --measure RECIPE --data FILE`" in Recipe.load(FUSE).choices[0]


@pytest.mark.parametrize(
    "text",
    [
        FUSE.replace("(S, L)", "(S, L, draft = none)"),
        FUSE.replace("(S, L)", "(S, L, leave = true)"),
        FUSE.replace("(S, L)", "(S, L, weights = [0, 1])"),
        FUSE.replace("token", "let F = token") + "F(temperature = 0.5)\n",
    ],
)
def test_some_fuses_are_left_alone(text):
    save()
    assert drafts(text) == []
    assert not any("drafts" in said for said in Recipe.load(text).choices)


def test_plain_plans_draft_nothing():
    save()
    assert drafts(plain=True) == []
    assert Recipe.load(FUSE, plain=True).choices == ()


def test_a_fuse_keeps_its_key_when_a_draft_was_turned_on():
    (before,) = Recipe.load(FUSE).draftable
    key = fuse_key(before)
    save()
    (after,) = Recipe.load(FUSE).draftable
    assert fuse_key(after) == key


def test_answers_with_drafts_are_those_without():
    save()
    text = FUSE.replace("token", "let F = token") + "F(max_tokens = 8)\n"
    assert drafts(text)
    questions = ["What is 17 plus 25?", "Add 3 and 4.", "What is 64 minus 8?"]
    answers = []
    for plain in (True, False):
        with Recipe.load(text, plain=plain).ready() as ensemble:
            answers.append([result.answer for result in ensemble.map(questions)])
    assert answers[0] == answers[1]


def test_agreement_is_counted_on_questions():
    rows = [EvaluationRow(str(n), f"What is {n} plus 25?") for n in range(3)]
    told = []
    none = Timings(machine=this_machine(gpu=False), shapes=())
    (found,) = measure_agreement(Recipe.load(FUSE), rows, "sums", none, told.append)
    assert told == ["counting how often S, L agree"]
    assert found.drafts == {}
    assert 0 < found.lead <= 1
    assert 0 < found.others <= 1
    assert (found.data, found.answers, found.tokens >= 6) == ("sums", 3, True)


def test_answers_are_timed_with_the_draft_that_is_reckoned_to_pay(monkeypatch):
    monkeypatch.setattr("composer.cli.timing.LONGEST", 0.0)
    rows = [EvaluationRow(str(n), f"What is {n} plus 25?") for n in range(2)]
    shapes = timings("maths", 0.001, 0.001), timings("large", 0.004, 0.004)
    quick = Timings(machine=this_machine(gpu=False), shapes=shapes)
    told = []
    (found,) = measure_agreement(Recipe.load(FUSE), rows, "sums", quick, told.append)
    assert told[1:] == ["timing answers of S, L with drafts"]
    ((tokens, times),) = found.drafts.items()
    assert tokens in range(1, 9)
    assert set(times) == {1, 16}
    assert all(time.faster > 0 for time in times.values())
