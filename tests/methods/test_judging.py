"""Judges that compare or grade answers, and peers that review each other."""

import asyncio
import math
import re
from dataclasses import replace

import pytest
from pydantic import ValidationError

from composer.backends.fake import Fake
from composer.methods import Judge, PartError, Scorer, Template
from composer.methods.scorers.judging import grades_in
from composer.methods.scorers.reviewing import PeerReview
from composer.methods.scorers.tournament import across, windows
from composer.specs import Declared
from composer.values import ModelError

J, K = Declared("J", Fake()), Declared("K", Fake())
NONE = pytest.approx(math.nan, nan_ok=True)


def score(scorer: Scorer, answers, ask=None, judges=()):
    return asyncio.run(scorer.score(answers, ask, judges))


def longer_is_better(_model, prompt):
    first, second = (part.split("\n[End")[0] for part in prompt.split("]\n")[2:5:2])
    if len(first) == len(second):
        return "Equal. [[C]]"
    return "[[A]]" if len(first) > len(second) else "Not [[A]], but [[b]]"


def test_a_judge_compares_every_pair_in_both_orders(several, script):
    ask = script(longer_is_better)
    found = score(Judge(), several("x", "xxx", "xx"), ask, (J,))
    assert found == (0.0, 1.0, 0.5)
    assert len(ask.asked) == 6


def test_a_tie_is_half_a_win(several, script):
    assert score(Judge(), several("x", "y"), script(longer_is_better), (J,)) == (0.5, 0.5)


def test_a_judge_that_likes_the_first_answer_decides_nothing(several, script):
    ask = script(lambda _model, _prompt: "[[A]]")
    assert score(Judge(), several("x", "yy", "zzz"), ask, (J,)) == (0.5, 0.5, 0.5)


def test_two_judges_count_the_same(several, script):
    ask = script(lambda model, prompt: longer_is_better(model, prompt) if model == "J" else "[[C]]")
    assert score(Judge(), several("x", "xxx"), ask, (J, K)) == (0.25, 0.75)


def test_a_single_answer_needs_no_judge(several, script):
    ask = script(longer_is_better)
    assert score(Judge(), several("x"), ask, (J,)) == (0.5,)
    assert ask.asked == []


def test_grades_are_averaged_over_the_judges(several, script):
    ask = script(
        lambda model, prompt: f"[[{8 if 'good' in prompt else 2}]]" if model == "J" else "[[4]]"
    )
    assert score(Judge(how="grade"), several("good", "poor"), ask, (J, K)) == (6.0, 3.0)


def test_a_verdict_that_cannot_be_read_is_noted(several, script):
    ask = script(lambda _model, prompt: "[[9]]" if "good" in prompt else "I cannot say")
    assert score(Judge(how="grade"), several("good", "poor"), ask, (J,)) == (
        9.0,
        pytest.approx(math.nan, nan_ok=True),
    )
    assert ask.notes == {"unread_verdicts": 1}


def test_a_judge_that_gives_no_verdict_is_an_error(several, script):
    with pytest.raises(PartError, match="no verdict could be read from the replies of `J`"):
        score(Judge(), several("x", "y"), script(), (J,))


def test_a_judge_may_have_its_own_template(several, script):
    ask = script(lambda _model, prompt: f"[[{prompt}]]")
    judge = Judge(how="grade", template=Template(text="{{ answer }}"))
    assert score(judge, several("3", "7"), ask, (J,)) == (3.0, 7.0)


def test_a_judge_is_asked_greedily_about_the_question(several, script):
    ask = script(longer_is_better)
    score(Judge(max_tokens=9), several("x", "yy"), ask, (J,))
    _, query, sampling = ask.asked[0]
    assert "Which?" in query.text
    assert query.root.text == "Which?"
    assert (sampling.temperature, sampling.max_tokens) == (0.0, 9)


def test_a_verdict_that_changes_with_the_order_is_a_tie(several, script):
    ask = script(lambda _model, _prompt: "[[A]]")
    score(Judge(), several("x", "yy", "zzz"), ask, (J,))
    assert ask.notes == {"flipped": 3, "tied": 3}


def only_about(*readable):
    """A judge that prefers the longer answer, and says nothing of pairs without these."""

    def reply(model, prompt):
        texts = [part.split("\n[End")[0] for part in prompt.split("]\n")[2:5:2]]
        return longer_is_better(model, prompt) if set(texts) <= set(readable) else "?"

    return reply


def test_a_pair_without_a_verdict_counts_for_neither(several, script):
    ask = script(only_about("x", "xx"))
    assert score(Judge(), several("x", "xx", "xxx"), ask, (J,)) == (0.0, 1.0, NONE)
    assert ask.notes == {"unread_verdicts": 4}


def test_half_a_pair_is_no_pair(several, script):
    first_only = iter(["[[A]]", "?"])
    with pytest.raises(PartError, match="no verdict"):
        score(Judge(), several("x", "y"), script(lambda *_: next(first_only)), (J,))


def test_a_judge_without_any_verdict_leaves_it_to_the_others(several, script):
    ask = script(lambda model, prompt: longer_is_better(model, prompt) if model == "J" else "?")
    assert score(Judge(), several("x", "xx"), ask, (J, K)) == (0.0, 1.0)
    assert ask.notes == {"unread_verdicts": 2, "without_verdict": ["K"]}


def test_copeland_counts_pairs_and_mean_counts_verdicts(several, script):
    def half(model, prompt):
        verdict = longer_is_better(model, prompt)
        return verdict if verdict == "[[A]]" else "[[C]]"

    answers = several("x", "xx", "xxx")
    assert score(Judge(), answers, script(half), (J,)) == (0.25, 0.5, 0.75)
    assert score(Judge(reduce="copeland"), answers, script(half), (J,)) == (0.0, 0.5, 1.0)


def test_a_bubble_finds_the_best_with_one_pair_less_than_answers(several, script):
    answers = several("xxx", "x", "xxxxx", "xx", "xxxx")
    for seed in range(5):
        ask = script(longer_is_better)
        ask.rng.seed(seed)
        scores = score(Judge(order="bubble"), answers, ask, (J,))
        assert len(ask.asked) == 8
        assert max(zip(scores, answers.texts, strict=True))[1].text == "xxxxx"


def test_a_bubble_keeps_equals_equal_and_overlooks_what_cannot_be_read(several, script):
    bubble = Judge(order="bubble")
    ask = script(lambda _model, _prompt: "[[C]]")
    assert score(bubble, several("x", "y", "z"), ask, (J,)) == (0.5, 0.5, 0.5)
    for seed in range(6):
        ask = script(only_about("x", "xx", "xxx"))
        ask.rng.seed(seed)
        scores = score(bubble, several("x", "xx", "xxx", "unreadable"), ask, (J,))
        scored = [score for score in scores if not math.isnan(score)]
        assert len(scored) >= 2
        assert scored[-1] == max(scored) == 1.0
        assert math.isnan(scores[3])


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        ({}, 20),
        ({"order": "bubble"}, 8),
        ({"how": "grade"}, 5),
    ],
)
def test_the_calls_of_a_judge_are_known_beforehand(several, script, options, calls):
    ask, judge = script(lambda _model, _prompt: "[[A]] [[5]]"), Judge(**options)
    score(judge, several(*"abcde"), ask, (J,)) if options else None
    assert judge.calls(5) == calls
    assert not options or len(ask.asked) == calls


def test_equal_answers_are_judged_once(several, script):
    ask = script(longer_is_better)
    assert score(Judge(), several("x", "xx", "x"), ask, (J,)) == (0.0, 1.0, 0.0)
    assert len(ask.asked) == 2


def test_answers_that_abstain_are_not_judged(several, script):
    answers = several("x", "xx", "xxx")
    silent = tuple(replace(text, extracted=True) for text in answers.texts)
    some = replace(answers, texts=(*answers.texts[:2], silent[2]))
    assert score(Judge(), some, script(longer_is_better), (J,)) == (0.0, 1.0, NONE)
    with pytest.raises(PartError) as caught:
        score(Judge(), replace(answers, texts=silent), script(), (J,))
    assert caught.value.code == "E705"


def test_a_judge_that_fails_is_an_error_unless_others_decide(several, script):
    def reply(model, prompt):
        if model == "K":
            raise ModelError("E701", "K is ill")
        return longer_is_better(model, prompt)

    judges = (J, K, Declared("L", Fake()))
    assert score(Judge(), several("x", "xx"), script(reply), judges) == (0.0, 1.0)
    with pytest.raises(ModelError, match="K is ill"):
        score(Judge(), several("x", "xx"), script(reply), (K,))


@pytest.mark.parametrize(
    "how",
    [
        {"how": "grade", "order": "bubble"},
        {"how": "grade", "reduce": "copeland"},
        {"order": "bubble", "reduce": "copeland"},
    ],
)
def test_options_that_exclude_each_other_are_refused(how):
    with pytest.raises(ValidationError, match=r"leave (it|them) out"):
        Judge(**how)


def test_scores_of_several_judges_become_one():
    judges = [((9.0,), (6.0,), ()), ((1.0,), (5.0,), (2.0,))]
    assert across(judges, "mean", 0.5) == (5.0, 5.5, 2.0)
    assert across(judges, "minimum", 0.5) == (1.0, 5.0, 2.0)
    assert across(judges, "penalized", 0.5) == (5 - 0.5 * 16, 5.5 - 0.5 * 0.25, 2.0)


@pytest.mark.parametrize(
    ("reply", "count", "grades"),
    [
        ("[[1]] no, [[4.5]]", 1, (4.5,)),
        ("[[4/5]]", 1, (4.0,)),
        ("[[4/10]]", 1, None),
        ("[[0]]", 1, None),
        ("[[6]]", 1, None),
        ("[[-1]]", 1, None),
        ("[[ 4, 2 ,5 ]]", 3, (4.0, 2.0, 5.0)),
        ("[[4, 0, x]]", 3, (4.0, None, None)),
        ("[[4, 2]]", 3, None),
        ("4, 2, 5", 3, None),
    ],
)
def test_grades_are_read_and_never_bent(reply, count, grades):
    assert grades_in(reply, count, 5) == grades


def test_reviews_show_each_of_four_answers_six_times():
    groups = windows((2, 0, 3, 1), 3, flips=True)
    assert groups[:4] == [(2, 0, 3), (0, 3, 1), (3, 1, 2), (1, 2, 0)]
    assert groups[4:] == [(3, 0, 2), (1, 3, 0), (2, 1, 3), (0, 2, 1)]
    assert all(sum(place in group for group in groups) == 6 for place in range(4))


@pytest.mark.parametrize(("count", "calls"), [(1, 1), (2, 2), (3, 6), (4, 8), (7, 14)])
def test_peers_review_any_number_of_answers(several, script, count, calls):
    def by_length(_model, prompt):
        texts = re.findall(r"\[Answer \d+\]\n(x+)\n", prompt)
        return f"[[{', '.join(str(len(text) / 2 + 1) for text in texts)}]]"

    ask = script(by_length)
    found = score(PeerReview(), several(*("x" * n for n in range(1, count + 1))), ask, (J,))
    assert found == tuple(n / 2 + 1 if n < 9 else NONE for n in range(1, count + 1))
    assert len(ask.asked) == PeerReview().calls(count) == calls


def test_a_grade_that_cannot_be_read_is_missing(several, script):
    answers = ("[[5, 0]]", "[[2, 3]]")
    ask = script(lambda _model, prompt: answers[prompt.index("good") > prompt.index("poor")])
    assert score(PeerReview(mode="double"), several("good", "poor"), ask, (J,)) == (4.0, 2.0)


def test_peers_show_no_names_and_an_order_of_the_seed(several, script):
    template = Template(text="{% for a in answers %}{{ a.text }}{% endfor %}")
    firsts = set()
    for seed in range(8):
        ask = script(lambda _model, _prompt: "[[3, 3, 3]]")
        ask.rng.seed(seed)
        score(PeerReview(template=template), several(*"abcd"), ask, (J,))
        firsts.add(ask.asked[0][1].text)
    assert len(firsts) > 3


@pytest.mark.slow
def test_a_reviewer_who_says_the_same_of_all_counts_for_little(several, script, silencing):
    del silencing
    pytest.importorskip("crowdkit", reason="crowd-kit is not installed")

    def reply(model, prompt):
        good = prompt.index("good") < prompt.index("poor")
        return "[[5, 5]]" if model == "L" else "[[4, 2]]" if good else "[[2, 4]]"

    judges = (J, K, Declared("L", Fake()))
    mean, expected = (
        score(PeerReview(reduce=how), several("good", "poor"), script(reply), judges)
        for how in ("mean", "dawid_skene")
    )
    assert mean == pytest.approx((13 / 3, 3.0))
    assert expected[0] > 3.9
    assert expected[1] < mean[1]
