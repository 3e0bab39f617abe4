"""What a span fuse reads: how often, by which rows, and when its text comes."""

from collections import Counter

import pytest
from fusing import Job, SpanFuse

from composer.engine.rows.kv_cache import KeyValueCache
from composer.engine.rows.runner import Runner
from composer.values import Sampling

TEXTS = "Once upon a time", "Lily had a dog", "Tom said", "One day, the sun"
NAMES = "a", "b", "c"


@pytest.fixture
def fuse(model):
    members = tuple(model(name) for name in ("stories", "shakespeare", "maths"))
    return SpanFuse(members, NAMES, words=2)


@pytest.fixture
def passes(monkeypatch):
    """The feeds of each forward pass, by the name of the model."""
    seen, plain = {}, Runner.forward

    def forward(runner, feeds, *, hidden=False):
        lengths = [(len(feed.ids), len(feed.keep)) for feed in feeds]
        seen.setdefault(runner.model.name, []).append(lengths)
        return plain(runner, feeds, hidden=hidden)

    monkeypatch.setattr(Runner, "forward", forward)
    return seen


def test_each_member_reads_all_candidates_of_the_others_in_one_pass(fuse, write, passes):
    made = write(fuse, TEXTS[0], max_tokens=40)
    for name in NAMES:
        read = passes[{"a": "stories", "b": "shakespeare", "c": "maths"}[name]]
        scoring = [rows for rows in read[1:] if len(rows) > 1 or rows[0][1] > 1]
        others = [set(span.candidates.values()) - {span.candidates[name]} for span in made.spans]
        assert len(scoring) <= sum(map(bool, others))
        assert Counter(map(len, scoring)) <= Counter(map(len, others))


def test_every_token_is_read_for_a_distribution_that_is_wanted(fuse, write, passes):
    write(fuse, TEXTS[0], max_tokens=40)
    for prompt, *read in passes.values():
        assert prompt[0][0] > 1
        feeds = [feed for rows in read for feed in rows]
        assert sum(tokens for tokens, _ in feeds) == sum(logits for _, logits in feeds)


def test_rows_are_forked_in_the_first_round_only(fuse, write, monkeypatch):
    forks, plain = [], KeyValueCache.fork
    monkeypatch.setattr(
        KeyValueCache, "fork", lambda rows, row: forks.append(row) or plain(rows, row)
    )
    made = write(fuse, TEXTS[0], max_tokens=40)
    assert len(made.spans) > 3
    assert len(forks) <= 3 * 3  # three members, and three candidates


def test_spans_of_queries_meet_in_shared_passes(engine, fuse, write, passes):
    alone = []
    for text in TEXTS:
        write(fuse, text, max_tokens=24)
        alone.append(sum(map(len, passes.values())))
        passes.clear()
    jobs = [Job(fuse, ((("user", text),),), Sampling(max_tokens=24)) for text in TEXTS]
    for future in [engine.generate(job) for job in jobs]:
        future.result(60)
    assert sum(map(len, passes.values())) < 1.5 * max(alone)


def test_text_comes_span_by_span_and_is_never_taken_back(fuse, write):
    pieces = []
    made = write(fuse, TEXTS[0], max_tokens=40, on_text=pieces.append)
    assert pieces == [span.text for span in made.spans]
