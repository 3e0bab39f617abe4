"""Requests: plain data, answered a family at a time, as they would be alone."""

import pytest
import torch
from fusing import SHARED, Part, TokenFuse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from composer.engine.requests.base import END, Phase
from composer.engine.requests.draw import Draw
from composer.engine.requests.fused import FusedRequest
from composer.engine.requests.rank import Rank, ScoreEntries
from composer.engine.requests.read_logits import Prefill, ReadLogits
from composer.engine.requests.score_tokens import ScoreTokens
from composer.engine.requests.speculative import DraftingMembers, SpeculativeStep
from composer.engine.sequence import SequenceState
from composer.engine.step import engine_step
from composer.values import Sampling

NAMES = ("a", "b")
TEXTS = ("Once upon a time", "Lily was so happy", "Tom said: no, I will not go to the park today")


@pytest.fixture(scope="module", params=["plain", "gated"])
def group(engine, model, request):
    gate = Part("gate.unsure", (("below", 0.5),))
    options = {"gate": gate, "lazy": True} if request.param == "gated" else {}
    members = model("stories"), model("shakespeare")
    return engine._group(TokenFuse(members, NAMES, align=SHARED, **options))


def at(group, text):
    """A sequence after a text, all but the last three entries of which are its prompt."""
    ids = list(group.slots[0].runner.model.vocabulary.encode(text))
    sequence = SequenceState.open(group, group.root.weights, {n: [1, *ids[:-3]] for n in range(2)})
    sequence.extend(ids[-3:])
    return sequence


def draw(sequence):
    return Draw(sequence, Sampling(), 0.5)


def warm(sequence):
    return Draw(sequence, Sampling(temperature=1.0, top_p=0.9), 0.7)


def rank(sequence):
    return Rank(sequence, torch.arange(20, 200), 4)


def score(sequence):
    return ScoreEntries(sequence, 0)


def score_end(sequence):
    return ScoreEntries(sequence, 1, end=True)


def ahead(sequence):
    return Prefill(sequence)


def tokens(sequence):
    return ScoreTokens(
        sequence, {0: sequence.states[0].ids[-2:], 1: [sequence.states[1].ids[-1], END]}
    )


def logits(sequence):
    return ReadLogits(sequence, {0: [1, 2], 1: [len(sequence.states[1].ids)]})


def step(sequence):
    side = DraftingMembers((0,), frozenset({0}), (1.0, 0.0))
    return SpeculativeStep(
        sequence, Sampling(), side, 3, (), propose=True, uniforms=(0.5, 0.5), phase=Phase("test", 0)
    )


KINDS = (draw, warm, rank, score, score_end, ahead, tokens, logits, step)


def state(sequence):
    states = sequence.states.values()
    return list(sequence.entries), [
        (list(t.ids), list(t.entry_starts), t.row.length) for t in states
    ]


def told(reply):
    """A reply as numbers."""
    match reply:
        case None:
            return []
        case torch.Tensor():
            return reply.flatten().tolist()
        case int() | float():
            return [reply]
        case dict():
            return [number for key in sorted(reply) for number in told(reply[key])]
        case list():
            return [number for each in reply for number in told(each)]
    fields = getattr(reply, "__slots__", None) or vars(reply)
    return [number for name in fields for number in told(getattr(reply, name))]


def answered(requests):
    """Ask until all have replied: where a gate opens, the others read in a second step."""
    found = {}
    while len(found) < len(requests):
        replies = engine_step([each for each in requests if each not in found])
        assert not replies.errors
        found |= replies.values
    return [told(found[each]) for each in requests]


@torch.inference_mode()
@pytest.mark.parametrize("kind", KINDS)
def test_a_request_that_is_made_twice_changes_nothing(group, kind):
    sequence = at(group, TEXTS[0])
    before = state(sequence)
    kind(sequence)
    again = kind(sequence)
    assert state(sequence) == before
    (first,) = answered([again])
    sequence.close()
    other = at(group, TEXTS[0])
    assert answered([kind(other)]) == [pytest.approx(first, abs=1e-4)]
    other.close()


@torch.inference_mode()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(mixed=st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from(TEXTS)), max_size=7))
def test_mixed_families_in_one_tick_get_what_each_gets_alone(group, mixed):
    alone = []
    for kind, text in mixed:
        sequence = at(group, text)
        alone += answered([kind(sequence)])
        sequence.close()
    sequences = [at(group, text) for _, text in mixed]
    together = answered([kind(c) for (kind, _), c in zip(mixed, sequences, strict=True)])
    for sequence in sequences:
        sequence.close()
    assert together == [pytest.approx(each, abs=1e-4) for each in alone]


@torch.inference_mode()
@pytest.mark.parametrize(
    "broken", [FusedRequest, Prefill, ReadLogits, ScoreTokens, SpeculativeStep]
)
def test_a_failing_family_fails_its_own_requests_only(group, monkeypatch, broken):
    def fail(*_):
        raise MemoryError("no room on the device")

    monkeypatch.setattr(broken, "answer", fail)
    sequences = [at(group, TEXTS[0]) for _ in KINDS]
    requests = [kind(sequence) for kind, sequence in zip(KINDS, sequences, strict=True)]
    replies = engine_step(requests)
    assert {each.family for each in replies.errors} == {broken}
    assert broken not in {each.family for each in replies.values}
    assert len(replies.errors) == sum(each.family is broken for each in requests)
    assert replies.values
    with pytest.raises(MemoryError):
        replies[next(iter(replies.errors))]
    for sequence in sequences:
        sequence.close()


@torch.inference_mode()
def test_a_request_that_cannot_say_what_it_reads_fails_alone(group):
    sequences = [at(group, TEXTS[1]) for _ in range(2)]
    wrong, right = ScoreEntries(sequences[0], 3), ScoreEntries(sequences[1], 2)
    replies = engine_step([wrong, right])
    assert set(replies.errors) == {wrong}
    assert len(replies[right].logprobs) == 1
    for sequence in sequences:
        sequence.close()


@torch.inference_mode()
def test_all_that_the_fused_distribution_answers_comes_to_the_host_at_once(group, monkeypatch):
    sequences = [at(group, text) for text in TEXTS for _ in range(4)]
    kinds = (draw, rank, score, score_end) * len(TEXTS)
    requests = [kind(sequence) for kind, sequence in zip(kinds, sequences, strict=True)]
    answered(requests[:0])
    counts = []
    plain = torch.Tensor.tolist
    monkeypatch.setattr(torch.Tensor, "tolist", lambda t: counts.append(1) or plain(t))
    engine_step(requests)
    monkeypatch.undo()
    assert len(counts) == 1 + (group.gate is not None)
    for sequence in sequences:
        sequence.close()
