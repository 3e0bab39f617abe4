"""What is known of each candidate beside its meaning: who answers, how, and who agrees."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from composer import metrics
from composer.heavy import np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from composer.methods.answer_table import MemberAnswers
    from composer.methods.estimators.values import Floats
    from composer.values import Text

_QUESTION_WORDS = ("what", "who", "whom", "whose", "which", "when", "where", "why", "how")
_WORDS = re.compile(r"\w+")
_NUMERALS = re.compile(r"\d+")
_UNKNOWN_LOGPROB = 1.0
"""No log-probability is above 0."""
_NO_PAIR = -1.0
"""The F-measure with a member that gave no answer, or with the candidate itself."""


def agreement_features(answers: MemberAnswers) -> Floats:
    """Return the features [voters, d] of the candidates that answer, at least one, after MoRE.

    They are: which member it is; question words of the question, its words and numerals; words and
    numerals of the text and of the answer; words that each shares with the question; its
    log-probability; how many of those that answer give the same answer, and how many different
    answers there are; the F-measure of words with the answer of each member.
    """
    candidates, comparison = answers.candidates, answers.comparison
    question = candidates.query.text
    asked = _question(question)
    group_of = {place: group for group in comparison.groups for place in group}
    voters = comparison.voters
    rows = []
    for place in voters:
        text = candidates.texts[place]
        who = [0.0] * answers.count
        who[answers.members[place]] = 1.0
        shares = [len(group_of[place]) / len(voters), float(len(comparison.groups))]
        pairs = _f_measures(place, answers)
        rows.append([*who, *asked, *_answer(text, question), *shares, *pairs])
    return np.array(rows, dtype=np.float32)


def _question(question: str) -> list[float]:
    words = [word.lower() for word in _WORDS.findall(question)]
    which = [float(word in words) for word in _QUESTION_WORDS]
    return [*which, float(len(words)), float(len(_NUMERALS.findall(question)))]


def _answer(text: Text, question: str) -> list[float]:
    numbers: list[float] = []
    for part in (text.text, text.answer or ""):
        words = _WORDS.findall(part)
        numbers += [float(len(words)), float(len(part)), float(len(_NUMERALS.findall(part)))]
        numbers += _overlaps(words, _WORDS.findall(question))
    return [*numbers, answer_logprob(text)]


def _overlaps(ours: Sequence[str], theirs: Sequence[str]) -> list[float]:
    """Return how many different words are shared, and the parts of either side that this is."""
    left, right = {word.lower() for word in ours}, {word.lower() for word in theirs}
    shared = len(left & right)
    return [float(shared), shared / max(len(left), 1), shared / max(len(right), 1)]


def answer_logprob(text: Text) -> float:
    """Return the log-probability of an answer, 1 where it is unknown.

    It is that of all its tokens, else the logarithm of the model's confidence in the whole.
    """
    if text.logprobs:
        return sum(text.logprobs)
    return float(np.log(text.confidence)) if text.confidence else _UNKNOWN_LOGPROB


def _f_measures(place: int, answers: MemberAnswers) -> list[float]:
    measures = [_NO_PAIR] * answers.count
    texts = answers.comparison.answers
    for other in answers.comparison.voters:
        if other != place:
            measure = metrics.token_f1(str(texts[place]), str(texts[other]))
            measures[answers.members[other]] = measure
    return measures
