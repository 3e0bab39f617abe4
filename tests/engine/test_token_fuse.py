from dataclasses import replace

import pytest
import torch
from fusing import LOGS, SHARED, UNION, Job, Part, Prompted, TokenFuse

from composer.values import ModelError, Sampling

TEXT = "Once upon a time"


@pytest.fixture(scope="module")
def pair(model):
    return model("stories"), model("shakespeare")


def by_hand(plain, greedy, members, combine, texts=None):
    """Fuse members of one vocabulary without cache: `combine` takes their log-probabilities."""
    models = [plain(m) for m in members]
    prompts = [
        m.prompt(text) for m, text in zip(models, texts or [TEXT] * len(models), strict=True)
    ]

    def step(written):
        return combine([m.after(p + written) for m, p in zip(models, prompts, strict=True)])

    ids = greedy(step, 24, models[0].local.ends)
    return models[0].local.vocabulary.bytes_of(ids).decode()


def same(made, expected):
    assert len(expected) > 5
    assert made.text.startswith(expected)


def test_average_of_probabilities_equals_by_hand(pair, plain, greedy, write):
    made = write(TokenFuse(pair, ("a", "b")), TEXT)
    same(made, by_hand(plain, greedy, pair, lambda p: ((p[0].exp() + p[1].exp()) / 2).log()))


def test_weights_equal_by_hand(pair, plain, greedy, write):
    fuse = TokenFuse(pair, ("a", "b"), (3.0, 1.0))
    expected = by_hand(plain, greedy, pair, lambda p: (0.75 * p[0].exp() + 0.25 * p[1].exp()).log())
    same(write(fuse, TEXT), expected)
    same(write(TokenFuse(pair, ("a", "b")), TEXT, weights=(0.3, 0.1)), expected)


def test_contrast_equals_by_hand(pair, plain, greedy, write):
    fuse = TokenFuse(pair, ("a", "b"), (1.0, -0.4), combine=LOGS, normalize=False)
    expected = by_hand(plain, greedy, pair, lambda p: (p[0] - 0.4 * p[1]).log_softmax(-1))
    same(write(fuse, TEXT), expected)


def test_proxy_tuning_of_three_equals_by_hand(model, plain, greedy, write):
    three = model("stories"), model("shakespeare"), model("maths")
    fuse = TokenFuse(three, ("base", "expert", "novice"), (1.0, 0.8, -0.8), LOGS, normalize=False)
    expected = by_hand(plain, greedy, three, lambda p: (p[0] + 0.8 * (p[1] - p[2])).log_softmax(-1))
    same(write(fuse, TEXT), expected)


def test_weight_zero_is_not_run(pair, write):
    made = write(TokenFuse(pair, ("a", "b")), TEXT, weights=(1.0, 0.0))
    assert made.text == write(pair[0], TEXT).text
    assert set(made.usage) == {"a"}


def test_rows_of_unlike_weights_step_together(engine, pair, write):
    fuse = TokenFuse(pair, ("a", "b"))
    weights = [(1.0, 0.0), (0.5, 0.5), (0.0, 1.0), (0.2, 0.8)]
    jobs = [Job(fuse, ((("user", TEXT),),), Sampling(max_tokens=16), w) for w in weights]
    made = [future.result(60) for future in [engine.generate(job) for job in jobs]]
    alone = [write(fuse, TEXT, weights=w, max_tokens=16).text for w in weights]
    assert [m.text for m in made] == alone


def test_two_prompts_in_one_pass_equal_two_passes(model, plain, greedy, write):
    base = model("stories")
    texts = TEXT, "Tom was sad."
    members = base, Prompted(base, 1)
    apart, together = (
        write(
            TokenFuse(members, ("a", "b"), (1.5, -0.5), LOGS, normalize=False, together=flag),
            *texts,
        )
        for flag in (False, True)
    )
    assert apart.text == together.text
    assert apart.logprobs == pytest.approx(together.logprobs, abs=1e-4)
    same(
        together,
        by_hand(
            plain,
            greedy,
            (base, base),
            lambda p: (1.5 * p[0] - 0.5 * p[1]).log_softmax(-1),
            texts=texts,
        ),
    )


def test_nested_average_equals_flat_weights(model, write):
    a, b, c = model("stories"), model("shakespeare"), model("maths")
    inner = TokenFuse((a, b), ("a", "b"))
    nested = write(TokenFuse((inner, c), ("ab", "c")), TEXT)
    flat = write(TokenFuse((a, b, c), ("a", "b", "c"), (1.0, 1.0, 2.0)), TEXT)
    assert nested.text == flat.text
    assert nested.logprobs == pytest.approx(flat.logprobs, abs=1e-4)
    assert set(nested.usage) == {"a", "b", "c"}


def test_union_of_one_vocabulary_is_that_vocabulary(pair, write):
    shared = write(TokenFuse(pair, ("a", "b"), align=SHARED), TEXT)
    union = write(TokenFuse(pair, ("a", "b"), align=UNION), TEXT)
    assert shared.text == union.text


def union_by_hand(plain, members, text, how_many):
    """Average unlike vocabularies as dictionaries of bytes."""
    models = [plain(m) for m in members]
    ids = [m.prompt(text) for m in models]
    written = b""
    for _ in range(how_many):
        total = {}
        for one, given in zip(models, ids, strict=True):
            for token, p in enumerate(one.after(given).exp().tolist()):
                piece = one.local.vocabulary.pieces[token]
                key = "end" if token in one.local.ends else piece
                if key:
                    total[key] = total.get(key, 0.0) + p / len(models)
        (best, p), (_, second) = sorted(total.items(), key=lambda item: -item[1])[:2]
        if p - second < 1e-4 or best == "end":
            break
        written += best
        ids = [
            [*given, *one.local.vocabulary.extend(best)]
            for one, given in zip(models, ids, strict=True)
        ]
    return written.decode(errors="ignore")


def test_union_of_unlike_vocabularies_equals_by_hand(model, plain, write):
    members = model("stories"), model("rwkv")
    made = write(TokenFuse(members, ("a", "b")), TEXT)
    same(made, union_by_hand(plain, members, TEXT, 24))


def test_union_in_the_zoo_equals_by_hand(zoo, plain, write):
    members = zoo("general-1"), zoo("other")
    question = "What is 12 plus 30?"
    made = write(TokenFuse(members, ("a", "b")), question, max_tokens=8)
    assert made.text.startswith(union_by_hand(plain, members, question, 8))


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_every_member_of_a_union_is_given_the_same_bytes(
    engine, model, write, monkeypatch, temperature
):
    from composer.engine.sequence import SequenceState

    seen = []
    close = SequenceState.close

    def look(sequence):
        for state in sequence.states.values():
            words = state.slot.runner.model.vocabulary
            seen.append(words.bytes_of(state.ids[state.counts.prompt :]))
        close(sequence)

    monkeypatch.setattr(SequenceState, "close", look)
    fuse = TokenFuse((model("stories"), model("rwkv")), ("a", "b"))
    made = write(fuse, TEXT, temperature=temperature, seed=3, max_tokens=40)
    assert len(seen) == 2
    assert seen[0] == seen[1]
    assert seen[0].decode(errors="replace") == made.text


def test_logs_over_a_union_keep_to_what_all_can_write(model, write):
    fuse = TokenFuse((model("stories"), model("rwkv")), ("a", "b"), combine=LOGS)
    made = write(fuse, TEXT, max_tokens=12)
    assert all(len(token.encode()) == 1 for token in made.tokens)


def test_unlike_vocabularies_cannot_be_shared(model, write):
    fuse = TokenFuse((model("stories"), model("rwkv")), ("a", "b"), align=SHARED)
    with pytest.raises(ModelError, match="have different vocabularies"):
        write(fuse, TEXT)


@pytest.mark.parametrize("weights", [(1.0,), (0.0, 0.0), (1.0, -1.0)])
def test_senseless_weights_are_an_error(pair, write, weights):
    with pytest.raises(ModelError):
        write(TokenFuse(pair, ("a", "b")), TEXT, weights=weights)


def test_duplicate_meanings_add_up():
    from composer.engine.space import Space
    from composer.methods.align.tables import Gather
    from composer.methods.align.union import united

    one = Space("one", [b"a", b"b", b"a", None, None], frozenset({3, 4}))
    two = Space("two", [b"b", None, b"c"], frozenset({1}))
    whole, maps = united([one, two])
    assert list(whole.pieces) == [b"a", b"b", b"c", None]
    table = Gather(maps[0], torch.device("cpu"))
    said = torch.tensor([[0.1, 0.2, 0.3, 0.15, 0.25]])
    total = torch.zeros(1, len(whole) + 1)
    table.add(total, said)
    assert table.log_scores(said.log()).exp()[0].tolist() == pytest.approx([0.4, 0.2, 0.0, 0.4])
    assert total[0, : len(whole)].tolist() == pytest.approx([0.4, 0.2, 0.0, 0.4])


def test_entries_and_tokens_of_a_nested_union_spell_the_same_bytes(engine, model, zoo, write):
    inner = TokenFuse((model("stories"), model("rwkv")), ("a", "b"))
    nested = TokenFuse((inner, zoo("maths"), zoo("general-1")), ("ab", "c", "d"))
    made = write(nested, TEXT, max_tokens=10)
    assert set(made.usage) == {"a", "b", "c", "d"}
    group = engine._group(nested)
    for slot, entries, tokens in zip(group.slots, group.entry_of, group.token_of, strict=True):
        words = slot.runner.model.vocabulary
        for token in range(slot.runner.model.width):
            entry = entries[token]
            if words.piece(token):
                assert group.piece(entry) == words.piece(token)
                assert words.piece(tokens[entry]) == words.piece(token)
    for slot in range(len(group.slots)):
        ids = group.slots[slot].runner.model.vocabulary.extend(" naïve 5!".encode())
        assert group.bytes_of(group.entries_of(slot, ids)) == " naïve 5!".encode()


def test_a_gate_that_never_opens_leaves_the_first_member_alone(pair, write):
    shut = TokenFuse(pair, ("a", "b"), gate=Part("gate.unsure", (("below", 0.0),)))
    alone = write(pair[0], TEXT)
    made = write(replace(shut, lazy=True), TEXT)
    assert made.text == write(shut, TEXT).text == alone.text
    assert made.usage["b"].calls == 0


def test_a_gate_that_always_opens_is_the_plain_fuse(pair, write):
    ajar = TokenFuse(pair, ("a", "b"), gate=Part("gate.unsure", (("below", 1.1),)))
    assert write(ajar, TEXT).text == write(TokenFuse(pair, ("a", "b")), TEXT).text


def test_a_gate_opens_where_the_first_member_is_unsure(pair, write, plain, greedy):
    gate = Part("gate.unsure", (("below", 0.5),))

    def combine(said):
        lead, other = said
        return lead if lead.exp().max() >= 0.5 else ((lead.exp() + other.exp()) / 2).log()

    fuse = TokenFuse(pair, ("a", "b"), gate=gate, lazy=True)
    made = write(fuse, TEXT)
    same(made, by_hand(plain, greedy, pair, combine))
    assert write(replace(fuse, lazy=False), TEXT).text == made.text
    assert 0 < made.usage["b"].calls < len(made.tokens)
