"""Byte-prefix probabilities: against sums over all tokenizations."""

import itertools
import math

import numpy as np
import pytest
import torch
from few_tokens import tiny

from composer.engine.sessions.prefixes.view import END

TEXTS = [bytes(t) for n in range(6) for t in itertools.product(b"ab", repeat=n)]


@pytest.mark.parametrize("name", ["letters", "pairs", "triples"])
def test_a_beam_that_holds_all_ways_is_exact(view, strings, session, name):
    whole, opened = strings(name), view(name)
    known = {b"": session(opened.start())}
    for text in TEXTS[1:]:
        (known[text],) = session(opened.extended([(known[text[:-1]], text[-1])]))
    for text, prefix in known.items():
        assert math.exp(prefix.logprob) == pytest.approx(whole.begins(text), rel=1e-5)
        after = prefix.logprob + prefix.following
        assert math.exp(after[END]) == pytest.approx(whole.writes(text), rel=1e-5)
        for byte in b"ab":
            expected = whole.begins(text + bytes([byte]))
            assert math.exp(after[byte]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("beam", "prune"), [(1, 0.0), (2, 0.0), (64, 0.3)])
def test_what_follows_adds_up_to_one_however_narrow_the_beam(view, session, beam, prune):
    opened = view("triples", beam, prune)
    prefix = session(opened.start())
    for byte in b"aabaabaaab":
        (prefix,) = session(opened.extended([(prefix, byte)]))
        assert np.exp(prefix.following).sum() == pytest.approx(1.0, abs=1e-12)
        assert len(prefix.ways) <= max(beam, 3)


def test_ways_that_were_dropped_are_found_again_where_none_goes_on(view, session):
    opened = view("triples", beam=1)
    texts = {b"": session(opened.start())}
    for text in TEXTS[1:]:
        (texts[text],) = session(opened.extended([(texts[text[:-1]], text[-1])]))
    lost = [t for t, p in texts.items() if min(p.following[ord("a")], p.following[ord("b")]) < -99]
    assert lost  # without healing, nothing would come after these
    assert all(prefix.logprob > -math.inf for prefix in texts.values())


def test_healing_adds_ways_with_their_own_probability_and_none_twice(view, strings, session):
    opened, whole = view("triples", beam=8, prune=0.99), strings("triples")
    prefix = session(opened.start())
    for text in (b"a", b"aa"):
        (prefix,) = session(opened.extended([(prefix, text[-1])]))
        healed = session(opened.healed(prefix))
        total = sum(math.exp(way.logprob) for way in healed.ways)
        kept = sum(math.exp(way.logprob) for way in prefix.ways)
        assert kept <= total <= whole.begins(text) * (1 + 1e-6)
        entries = [(tuple(way.context.sequence.entries), way.node.depth > 0) for way in healed.ways]
        assert len(set(entries)) == len(entries) >= len(prefix.ways)


def test_a_byte_that_no_token_has_leads_to_a_text_of_probability_zero(view, session):
    opened = view("pairs")
    (prefix,) = session(opened.extended([(session(opened.start()), ord("c"))]))
    assert (prefix.logprob, prefix.ways, prefix.is_full) == (-math.inf, (), False)
    (after,) = session(opened.extended([(prefix, ord("a"))]))
    assert after.logprob == after.following.max() == -math.inf


def test_cache_rows_are_forked_and_given_back(view, session, engine, few):
    opened = view("pairs", beam=4)
    rows = engine._group(few["pairs"]).slots[0].runner.rows
    prefix = session(opened.start())
    for byte in b"abba":
        (prefix,) = session(opened.extended([(prefix, byte)]))
        with torch.inference_mode():
            opened.retain([prefix])
        held = {way.context.sequence for way in prefix.ways}
        held |= {opened._root}  # the row of the prompt stays
        assert {id(row) for row in rows.live} == {
            id(state.row) for sequence in held for state in sequence.states.values()
        }
    with torch.inference_mode():
        opened.close()
    assert rows.live == []


def test_no_token_is_read_twice(view, session, follow):
    opened = view("letters", beam=4)
    follow(opened, b"abbab")
    (usage,) = opened.usage().values()
    assert (usage.calls, usage.completion_tokens) == (6, 5)  # the prompt, and each byte


def test_a_text_that_does_not_fit_into_the_context_is_full(tmp_path, view, session):
    opened = view(tiny(tmp_path / "short", ["a"], [], 1, context=4))
    prefix = session(opened.start())
    seen = []
    for _ in range(4):
        (prefix,) = session(opened.extended([(prefix, ord("a"))]))
        seen.append(prefix.is_full)
    assert seen[-1]
    assert seen == sorted(seen)
