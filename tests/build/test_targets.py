"""Teachers' distributions on a student's tokens: by hand, with vocabularies of a few pieces."""

import pytest
import torch

from composer.build.examples import Example
from composer.build.targets import TokenAligner, blend_target
from composer.engine.sessions.likely_tokens import Reading
from composer.engine.space import Space
from composer.engine.top_tokens import END, NONE, TopTokens
from composer.methods.distillation.blends import AverageTeacher, LeastTeacher
from composer.methods.distillation.matches import Counts, Exact, NearestTokens, OneToOne

STUDENT = Space("student", [b"a", b"b", b"ab", b"c", None], frozenset({4}))
TEACHER = Space("teacher", [b"a", b"b", b"c", b"abc"], frozenset())


def reading(entries, rows, space=TEACHER, before=0):
    """A teacher's reading: its entries, and of each place pairs of an entry and a probability."""
    width = max(map(len, rows))
    ids = [[e for e, _ in row] + [NONE] * (width - len(row)) for row in rows]
    shares = [[p for _, p in row] + [0.0] * (width - len(row)) for row in rows]
    shares = torch.tensor(shares)
    given = TopTokens(torch.tensor(ids), shares, 1 - shares.sum(-1), torch.ones(len(rows)))
    return Reading(tuple(space.pieces[e] for e in entries), tuple(entries), before, given)


def make_example(tokens, *, end=False, before=0):
    targets = (*tokens[before:], *(4,) * end)
    return Example((9, *tokens[:before]), targets, tuple(STUDENT.pieces[t] for t in tokens), before)


class Outputs:
    """Outputs of given readings."""

    def __init__(self, *readings, space=TEACHER):
        self.readings, self.space = readings, space

    def __getitem__(self, number):
        return self.readings[number]


def align(match, tokens, given, **how):
    own = make_example(tokens, **how)
    aligner = TokenAligner.of(match, STUDENT, 4, Outputs(given), [own])
    return aligner(own, given)


def test_one_vocabulary_is_taken_as_it_is():
    given = reading([0, 1], [[(0, 0.7)], [(1, 0.6), (3, 0.3)], [(END, 0.9)]], STUDENT)
    own = make_example([0, 1], end=True)
    found, present = TokenAligner.of(Exact(), STUDENT, 4, Outputs(given, space=STUDENT), [own])(
        own, given
    )
    assert present.all()
    assert found.ids.tolist() == [[0, NONE], [1, 3], [4, NONE]]
    assert found.rest.tolist() == pytest.approx([0.3, 0.1, 0.1])


def test_behind_a_token_that_has_no_counterpart_there_is_no_distribution():
    """`ab|c` beside `a|b|c`: `ab` is nobody's, so the place behind it is the text's."""
    given = reading([0, 1, 2], [[(0, 0.5), (3, 0.25)], [(1, 1.0)], [(2, 1.0)]])
    found, present = align(Exact(), [2, 3], given)
    assert present.tolist() == [True, False]
    assert found.ids[0].tolist() == [0, NONE]
    assert found.probabilities[0].tolist() == pytest.approx([0.5 / 0.75, 0.0])
    assert found.rest[0].item() == pytest.approx(0.25 / 0.75)


def test_of_several_tokens_the_last_counts_that_ends_as_the_students_does():
    given = reading([0, 1, 2], [[(0, 1.0)], [(1, 1.0)], [(2, 0.8), (1, 0.2)]])
    found, present = align(Counts(), [2, 3], given)
    assert present.tolist() == [True, True]
    assert found.ids[1].tolist() == [3, 1]


@pytest.mark.parametrize("match", [Exact(), NearestTokens(), OneToOne(), Counts()])
def test_equal_tokens_match_whatever_the_way(match, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    given = reading([0, 1, 2], [[(0, 1.0)], [(1, 1.0)], [(2, 1.0)]])
    found, present = align(match, [0, 1, 3], given)
    assert present.all()
    assert found.ids[:, 0].tolist() == [0, 1, 3]


def test_the_nearest_token_stands_for_one_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    given = reading([0, 1], [[(3, 0.5), (0, 0.5)], [(1, 1.0)]])
    found, _ = align(NearestTokens(), [0, 1], given)
    assert found.ids[0].tolist() == [2, 0]


def test_a_first_token_that_has_no_distribution_is_left_out():
    given = reading([0, 1, 2], [[(1, 1.0)], [(2, 1.0)]], before=1)
    found, present = align(Exact(), [0, 1, 3], given)
    assert present.tolist() == [False, True, True]
    found, present = align(Exact(), [0, 1, 3], given, before=1)
    assert present.tolist() == [True, True]
    assert found.ids[:, 0].tolist() == [1, 3]


def distributions(*rows):
    ids, shares, nats = zip(*rows, strict=True)
    shares = torch.tensor(shares)
    left = 1 - shares.sum(-1)
    return TopTokens(torch.tensor(ids), shares, left, torch.tensor(nats)), torch.ones(
        len(rows), dtype=torch.bool
    )


def test_the_target_is_that_of_the_teacher_that_lost_least():
    one = distributions(([0, 1], [0.5, 0.25], 2.0))
    other = distributions(([1, 3], [0.9, 0.05], 1.0))
    found, covered = blend_target(make_example([1]), [one, other], LeastTeacher(), 2)
    assert found.ids.tolist() == [[1, 3]]
    assert found.rest.tolist() == pytest.approx([0.05])
    assert covered.all()


def test_an_average_sums_what_teachers_say_of_one_token():
    one = distributions(([0, 1], [0.5, 0.25], 1.0))
    other = distributions(([1, 3], [0.75, 0.25], 1.0))
    found, _ = blend_target(make_example([1]), [one, other], AverageTeacher(), 3)
    assert found.ids.tolist() == [[1, 0, 3]]
    assert found.probabilities.tolist()[0] == pytest.approx([0.5, 0.25, 0.125])
    assert found.rest.tolist() == pytest.approx([0.125])


def test_where_no_teacher_says_anything_the_text_is_the_target():
    given, present = distributions(([0, 1], [0.5, 0.25], 1.0))
    found, covered = blend_target(make_example([3]), [(given, ~present)], LeastTeacher(), 2)
    assert not covered.any()
    assert (found.ids[0, 0].item(), found.probabilities[0, 0].item()) == (3, 1.0)
    assert found.rest.item() == 0
