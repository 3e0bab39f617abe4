"""Learned scores: features by hand, the same numbers from what is kept, and what is refused."""

import asyncio
import json
import math
from dataclasses import replace

import numpy as np
import pytest

from composer.methods import Exact, PartError
from composer.methods.agreements.base import Comparison
from composer.methods.answer_table import AnswerRow, AnswerTable, MemberAnswers
from composer.methods.fitted import read, save
from composer.methods.recorded_answers import recorded_answers
from composer.methods.scorers.basic import Length, Sum
from composer.methods.selectors.experts import Experts
from composer.methods.selectors.features import agreement_features, answer_logprob
from composer.methods.selectors.forest import Forest, labelled_features
from composer.methods.selectors.pairs import joined, pieces
from composer.methods.selectors.ranker import Ranker, bubble, full
from composer.methods.selectors.reranker import Reranker, best_of, mixture
from composer.values import Candidates, ModelError, Query, Text
from composer.values.fitted import Fitted

NAMES = ("A", "B", "C")


def candidates(question, *answers, names=NAMES):
    query = Query.of(question)
    pairs = zip(names, answers, strict=False)
    texts = (Text(query, one or "", name, value=one, extracted=True) for name, one in pairs)
    return Candidates(query, tuple(texts), names[: len(answers)])


def compared(each, by=None):
    return Comparison(by or Exact(), [text.answer for text in each.texts])


@pytest.fixture(scope="module")
def table():
    """A is right about sums, B about words; C agrees with whoever is right, half of the time."""
    rows = []
    for at in range(48):
        sums = at % 2 == 0
        question = f"what is {at} plus {at}" if sums else f"spell the word number {at}"
        right = str(2 * at) if sums else f"word{at}"
        answers = (right if sums else "none", "9" if sums else right, right if at % 4 else "x")
        quality = tuple(float(answer == right) for answer in answers)
        rows.append(
            AnswerRow(candidates(question, *answers), quality, (right,), ("s", "w")[: 1 + sums])
        )
    return AnswerTable(NAMES, tuple(rows))


@pytest.fixture(scope="module")
def comparisons(table):
    return tuple(compared(row.candidates) for row in table.rows)


def bound(part, table, comparisons, seed=0):
    return part.bound(
        Fitted.of(table.names, len(table.rows), state=part.fit(table, comparisons, seed))
    )


def right_of(part, table, comparisons):
    """Return the share of rows on which the greatest value is that of a right answer."""
    values = [part.values(r.candidates, c) for r, c in zip(table.rows, comparisons, strict=True)]
    picks = [int(np.argmax(each)) for each in values]
    return np.mean([row.quality[at] for row, at in zip(table.rows, picks, strict=True)])


def test_features_of_a_candidate_by_hand():
    each = candidates("Which is more, 12 or 7?", "12", "seven or 12", "12")
    each = replace(each, texts=(replace(each.texts[0], logprobs=(-0.5, -1.5)), *each.texts[1:]))
    first, second, third = agreement_features(
        MemberAnswers(each, compared(each), (0, 1, 2), 3)
    ).tolist()
    who, asked = slice(0, 3), slice(3, 14)
    assert [first[who], second[who]] == [[1, 0, 0], [0, 1, 0]]
    assert first[asked] == second[asked] == [0, 0, 0, 0, 1, 0, 0, 0, 0, 6, 2]
    assert first[14:20] == first[20:26] == pytest.approx([1, 2, 1, 1, 1, 1 / 6])
    assert second[14:20] == pytest.approx([3, 11, 1, 2, 2 / 3, 2 / 6])
    assert [row[26] for row in (first, second, third)] == [-2, 1, 1]
    assert first[27:] == pytest.approx([2 / 3, 2, -1, 0.5, 1])
    assert second[27:] == pytest.approx([1 / 3, 2, 0.5, -1, 0.5])


def test_an_abstention_has_no_features_and_comes_last(table, comparisons):
    forest = bound(Forest(trees=5), table, comparisons)
    each = candidates("what is 3 plus 3", None, "6", None)
    assert len(agreement_features(MemberAnswers(each, compared(each), (0, 1, 2), 3))) == 1
    values = forest.values(each, compared(each))
    assert values[0] == values[2] == -math.inf
    assert 0 <= values[1] <= 1
    nobody = candidates("what is 3 plus 3", None, None)
    assert forest.values(nobody, compared(nobody)) == (-math.inf, -math.inf)


def test_a_kept_forest_says_what_scikit_learn_says(table, comparisons, tmp_path):
    from sklearn.ensemble import RandomForestRegressor

    vectors, quality = labelled_features(table, comparisons)
    theirs = RandomForestRegressor(20, max_features="sqrt", random_state=3).fit(vectors, quality)
    path = tmp_path / "forest.safetensors"
    save(path, Forest(trees=20).fit(table, comparisons, 3))
    kept = Forest(trees=20, file=str(path))
    ours = [kept.values(r.candidates, c) for r, c in zip(table.rows, comparisons, strict=True)]
    assert np.concatenate(ours) == pytest.approx(theirs.predict(vectors), abs=1e-9)
    assert b"sklearn" not in path.read_bytes()
    assert read(path).facts["names"] == list(NAMES)


def test_a_tree_on_labels_is_that_of_a_classifier(table, comparisons):
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    vectors, quality = labelled_features(table, comparisons)
    one = DecisionTreeClassifier(max_depth=3, random_state=1).fit(vectors, quality)
    two = DecisionTreeRegressor(max_depth=3, random_state=1).fit(vectors, quality)
    assert one.predict_proba(vectors)[:, 1] == pytest.approx(two.predict(vectors))


def test_a_forest_learns_who_is_right_about_what(table, comparisons):
    learned, rest = table.taken(range(32)), table.taken(range(32, 48))
    forest = bound(Forest(trees=30), learned, comparisons[:32])
    assert right_of(forest, rest, comparisons[32:]) == 1
    again = bound(Forest(trees=30), learned, comparisons[:32])
    last = table.rows[-1].candidates
    assert forest.values(last, comparisons[-1]) == again.values(last, comparisons[-1])


def test_unknown_quality_is_left_out(table, comparisons):
    rows = tuple(replace(row, quality=(None, *row.quality[1:])) for row in table.rows)
    vectors, quality = labelled_features(replace(table, rows=rows), comparisons)
    assert len(vectors) == len(quality) == 2 * len(rows)
    assert not vectors[:, 0].any()


def test_a_member_that_was_not_there_is_refused(table, comparisons):
    forest = bound(Forest(trees=2), table, comparisons)
    each = candidates("what is 3 plus 3", "6", "6", names=("A", "D"))
    with pytest.raises(ModelError, match="`forest` was fitted with A, B, C, but now there is D"):
        forest.values(each, compared(each))


def test_a_score_that_is_not_fitted_says_so(script):
    each = candidates("what is 3 plus 3", "6", "7")
    with pytest.raises(ModelError, match="`forest` is not fitted yet"):
        asyncio.run(Forest().score(each, script(), ()))


def test_it_scores_what_a_ranking_is_given(table, comparisons, script):
    forest = bound(Forest(trees=10), table, comparisons)
    each = table.rows[0].candidates
    scores = asyncio.run(forest.score(each, script(), ()))
    assert scores == forest.values(each, comparisons[0])
    assert max(scores) == scores[0]


def test_fusion_of_experts_learns_from_all_answers_at_once(table, comparisons):
    learned, rest = table.taken(range(32)), table.taken(range(32, 48))
    experts = bound(Experts(steps=200), learned, comparisons[:32])
    assert right_of(experts, rest, comparisons[32:]) == 1
    values = experts.values(rest.rows[0].candidates, comparisons[32])
    assert values[0] > 0.5 > values[1]
    again = bound(Experts(steps=200), learned, comparisons[:32])
    assert values == again.values(rest.rows[0].candidates, comparisons[32])


def test_experts_without_an_answer_are_masked(table, comparisons):
    experts = bound(Experts(steps=5), table, comparisons)
    one = candidates("what is 3 plus 3", "6", None, "6")
    two = candidates("what is 3 plus 3", "6", "6", names=("A", "C"))
    left, _, right = experts.values(one, compared(one))
    assert (left, right) == experts.values(two, compared(two))


def test_shares_of_the_best_add_up_to_one(table, comparisons):
    experts = bound(Experts(steps=20, goal="best"), table, comparisons)
    assert sum(experts.values(table.rows[0].candidates, comparisons[0])) == pytest.approx(1)


def test_the_best_of_a_row_by_hand():
    labels = best_of([0.2, 0.8, math.nan, 0.8]).tolist()
    assert labels[:2] + labels[3:] == [0, 1, 1]
    assert math.isnan(labels[2])
    assert np.isnan(best_of([1, 1])).all()
    assert np.isnan(best_of([math.nan, math.nan])).all()


def test_a_mixture_of_experts_by_hand():
    weights = {
        "w0": np.eye(2),
        "b0": np.zeros(2),
        "experts": np.array([[[1.0], [0.0]], [[0.0], [2.0]]]),
        "gates": np.array([[[0.0, 0.0], [0.0, 0.0]], [[0.0, np.log(3)], [0.0, 0.0]]]),
        "towers": np.array([[[1.0]], [[4.0]]]),
        "bias": np.array([0.0, 1.0]),
    }
    logits = mixture(weights, np.array([[1.0, 3.0], [-1.0, 1.0]]))
    first = [(1 + 6) / 2, 4 * (1 / 4 * 1 + 3 / 4 * 6) + 1]
    assert logits == pytest.approx(np.array([first, [1, 4 * (0 + 2) / 2 + 1]]))


def test_a_reranker_learns_by_several_measures(table, comparisons):
    learned, rest = table.taken(range(32)), table.taken(range(32, 48))
    part = Reranker(steps=100)
    state = part.fit(learned, comparisons[:32], 0)
    assert state.arrays["net.bias"].shape == (3,)
    fitted = part.bound(Fitted.of(NAMES, 32, state=state))
    assert right_of(fitted, rest, comparisons[32:]) == 1


def test_without_references_a_reranker_has_one_measure(table, comparisons):
    rows = tuple(replace(row, references=()) for row in table.rows)
    state = Reranker(steps=2).fit(replace(table, rows=rows), comparisons, 0)
    assert state.arrays["net.bias"].shape == (1,)


def scripted(table):
    """Margins of ordered pairs, and how many pairs each call wanted."""
    calls = []

    def margin(pairs):
        calls.append(list(pairs))
        return [table[pair] for pair in pairs]

    return margin, calls


def test_full_comparison_by_hand():
    table = {(0, 1): 2.0, (1, 0): -1.0, (0, 2): 0.5, (2, 0): 0.5, (1, 2): 3.0, (2, 1): -3.0}
    margin, calls = scripted(table)
    assert full(3, margin) == pytest.approx([(3 + 0) / 2, (-3 + 6) / 2, (0 - 6) / 2])
    assert [len(each) for each in calls] == [6]
    assert full(1, margin) == [0.0]


def test_bubble_compares_each_with_the_winner_so_far():
    strength = [1.0, 3.0, 2.0, 0.0]
    table = {(i, j): strength[i] - strength[j] + 0.5 for i in range(4) for j in range(4)}
    margin, calls = scripted(table)
    assert bubble([0, 2, 1, 3], margin) == [0.0, 3.0, 1.0, 2.0]
    assert calls == [[(0, 2), (2, 0)], [(2, 1), (1, 2)], [(1, 3), (3, 1)]]


def test_a_pair_is_one_text_with_flags():
    source, left, right = pieces("add 4 and 2", 9), pieces("42", 2), pieces("4 words", 2)
    numbers, kinds = joined(source, left, right, (5, 2))
    assert len(pieces("a b c d", 3)) == 3
    assert pieces("B c", 9).tolist() == pieces("b C", 9).tolist()
    assert numbers.tolist() == [*source, 0, *left, *right]
    assert kinds.tolist() == [1, 4, 1, 3, 0, 5 + 3, 5 + 2, 9 + 3, 9]


@pytest.fixture(scope="module")
def ranker(table, comparisons):
    """Right answers of this table are those whose number or word stands in the question."""
    part = Ranker(steps=120, source=8, candidate=4, members=False)
    return bound(part, table.taken(range(32)), comparisons[:32])


def test_a_ranker_learns_which_of_two_is_better(ranker, table, comparisons):
    assert right_of(ranker, table.taken(range(32, 48)), comparisons[32:]) > 0.8


def test_bubble_finds_the_winner_of_full_comparison_by_fewer_passes(ranker, table, comparisons):
    one, each = table.rows[40].candidates, comparisons[40]
    less = ranker.model_copy(update={"order": "bubble"})
    values = less.values(one, each)
    assert sorted(values) == [0, 1, 2]
    assert np.argmax(values) == np.argmax(ranker.values(one, each))
    assert values == less.values(one, each)


def test_equal_answers_have_equal_ranks_and_abstentions_none(ranker):
    each = candidates("what is 3 plus 3", "6", None, "6")
    assert ranker.values(each, compared(each)) == (0.0, -math.inf, 0.0)


@pytest.mark.parametrize("part", [Ranker(), Reranker(measures=())])
def test_nothing_can_be_learned_from_equal_candidates(table, comparisons, part):
    rows = tuple(replace(row, quality=(1.0, 1.0, None)) for row in table.rows)
    with pytest.raises(PartError, match="candidates are of unlike quality, and there are none"):
        part.fit(replace(table, rows=rows), comparisons, 0)


def test_nothing_can_be_learned_from_abstentions():
    each = candidates("what is 3 plus 3", None, None)
    table = AnswerTable(NAMES[:2], (AnswerRow(each, (0.0, 0.0)),))
    with pytest.raises(PartError, match="answers whose quality is known, and there are none"):
        Forest().fit(table, (compared(each),), 0)


@pytest.fixture
def recorded(tmp_path):
    """Rows that recorded what two models answered, one of them with log-probabilities."""
    path = tmp_path / "rows.jsonl"
    rows = []
    for at in range(20):
        one = {"text": str(2 * at), "correct": True, "logprob": -0.5}
        two = {"text": None if at == 3 else "9", "correct": False}
        row = {"query": f"what is {at} plus {at}", "reference": str(2 * at)}
        rows.append(json.dumps({**row, "recorded": {"A": one, "B": two}}) + "\n")
    path.write_text("".join(rows))
    return str(path)


def test_recorded_answers_have_their_confidence_references_and_abstentions(recorded):
    table = recorded_answers("forest", recorded, ("A", "B"), labelled=True, read=False)
    first, second = table.rows[3].candidates.texts
    assert (first.answer, second.answer) == ("6", None)
    assert (answer_logprob(first), answer_logprob(second)) == (pytest.approx(-0.5), 1.0)
    assert table.rows[3].references == ("6",)


def test_a_score_learns_from_data_inside_a_sum_too(recorded, script):
    query = Query.of("what is 3 plus 3")
    each = Candidates(query, (Text(query, "6", "A"), Text(query, "9", "B")), ("A", "B"))
    both = Sum(of=(Forest(trees=5, data=recorded), Length()), weights=(1.0, 0.0))
    first, second = asyncio.run(both.score(each, script(), ()))
    assert first > 0.5 > second
