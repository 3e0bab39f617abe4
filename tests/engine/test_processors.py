"""Penalties, biases and least lengths: against transformers, and in fuses against arithmetic."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from fusing import LOGS, UNION, Job, Part, SpanFuse, TokenFuse, checkpoint

from composer.engine.generation import TextStream
from composer.specs import ByteFuse, Handoff
from composer.values import ModelError, Processing, Sampling

TEXT = "Once upon a time there was a little girl named Lily. Lily was sad. Lily"
LONG = 24
STEPS = {
    "repetition": ({"repetition_penalty": 1.3}, {"repetition_penalty": 1.3}),
    "attraction": ({"repetition_penalty": 0.8}, {"repetition_penalty": 0.8}),
    "ngrams": ({"no_repeat_ngram_size": 2}, {"no_repeat_ngram_size": 2}),
    "words": ({"bad_words_ids": ((5,), (401, 400))}, {"bad_words_ids": [[5], [401, 400]]}),
    "bias": (
        {"logit_bias": ((402, 3.5), (5, -4.0))},
        {"sequence_bias": [[[402], 3.5], [[5], -4.0]]},
    ),
    "sequences": (
        {"sequence_bias": (((402,), 2.0), ((401, 400), -3.0))},
        {"sequence_bias": [[[402], 2.0], [[401, 400], -3.0]]},
    ),
    "suppressed": ({"suppress_tokens": (401, 403, 280)}, {"suppress_tokens": [401, 403, 280]}),
    "begins": ({"begin_suppress_tokens": (280, 403)}, {"begin_suppress_tokens": [280, 403]}),
    "many": (
        {"repetition_penalty": 1.2, "no_repeat_ngram_size": 3, "logit_bias": ((402, 3.0),)},
        {"repetition_penalty": 1.2, "no_repeat_ngram_size": 3, "sequence_bias": [[[402], 3.0]]},
    ),
}


def asking(**said):
    return Sampling(max_tokens=LONG, processing=Processing(**said))


def generated(local, text, **said):
    """Answer by transformers alone."""
    ids = torch.tensor([local.render((("user", text),))])
    ends = sorted(local.ends) or None
    how = {"max_new_tokens": LONG, "do_sample": False, "eos_token_id": ends, **said}
    with torch.inference_mode():
        made = local.module.generate(ids, attention_mask=torch.ones_like(ids), **how)
    written = made[0, ids.shape[1] :].tolist()
    return local.vocabulary.bytes_of(i for i in written if i not in local.ends).decode()


@pytest.fixture
def answer(engine):
    """Answer a prompt: `answer(model, text, how)`."""

    def run(member, how, text=TEXT, prefix=""):
        return engine.generate(Job(member, ((("user", text),),), how, None, prefix)).result(60)

    return run


@pytest.fixture(scope="module")
def pair(model):
    return model("stories"), model("shakespeare")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("name", ["stories", pytest.param("maths", marks=pytest.mark.slow)])
def test_a_lone_model_answers_as_transformers_does(model, plain, answer, name, step):
    ours, theirs = STEPS[step]
    local = plain(model(name)).local
    assert answer(model(name), asking(**ours)).text == generated(local, TEXT, **theirs)


@pytest.mark.parametrize("name", ["general-1", "text", "maths"])
@pytest.mark.parametrize("least", [{}, {"min_tokens": 12}, {"min_length": 24}])
def test_models_of_the_zoo_answer_as_transformers_does(zoo, plain, answer, name, least):
    local, text = plain(zoo(name)).local, "What is 12 plus 30?"
    theirs = {"min_new_tokens" if k == "min_tokens" else k: v for k, v in least.items()}
    how = {"repetition_penalty": 1.15, **least}
    expected = generated(local, text, repetition_penalty=1.15, **theirs)
    assert answer(zoo(name), asking(**how), text).text == expected


def test_recurrent_models_are_penalised_too(model, plain, answer):
    local = plain(model("rwkv")).local
    made = answer(model("rwkv"), asking(repetition_penalty=1.2), "in the beginning")
    assert made.text == generated(local, "in the beginning", repetition_penalty=1.2)


def processed(logits, ids, start, what):
    """Do by hand what is to be done to one model's logits."""
    logits = logits.clone()
    for token, by in what.logit_bias or ():
        logits[token] += by
    for token in set(ids) if what.repetition_penalty else ():
        by = what.repetition_penalty
        logits[token] = logits[token] * by if logits[token] < 0 else logits[token] / by
    for token, times in Counter(ids[start:]).items():
        logits[token] -= times * (what.frequency_penalty or 0) + (what.presence_penalty or 0)
    if len(ids) - start < (what.min_tokens or 0):
        logits[2] = -torch.inf
    return logits.log_softmax(-1)


def by_hand(plain, greedy, members, what, combine):
    """Fuse models of one vocabulary without cache, each processed in its own logits."""
    models = [plain(m) for m in members]
    prompt = models[0].prompt(TEXT)

    @torch.inference_mode()
    def after(one, ids):
        logits = one.local.module(torch.tensor([ids]), use_cache=False).logits[0, -1].double()
        return processed(logits, ids, len(prompt), what)

    def step(written):
        return combine([after(one, [*prompt, *written]) for one in models])

    ids = greedy(step, LONG, models[0].local.ends)
    return models[0].local.vocabulary.bytes_of(ids).decode()


def mean(logs):
    return torch.stack(logs).exp().mean(0).log()


WHAT = Processing(1.2, 0.4, 0.3, ((402, 2.0), (5, -3.0)), 10)


def test_penalties_that_count_are_those_of_openai(model, plain, greedy, answer):
    what = Processing(presence_penalty=1.1, frequency_penalty=0.6)
    expected = by_hand(plain, greedy, [model("stories")], what, lambda logs: logs[0])
    plainly = by_hand(plain, greedy, [model("stories")], Processing(), lambda logs: logs[0])
    made = answer(model("stories"), Sampling(max_tokens=LONG, processing=what)).text
    assert made.startswith(expected)
    assert not made.startswith(plainly)


def test_members_of_a_token_fuse_are_processed_before_they_are_fused(pair, plain, greedy, answer):
    how = Sampling(max_tokens=LONG, processing=WHAT)
    expected = by_hand(plain, greedy, pair, WHAT, mean)
    for align in (Part("align.shared"), UNION):
        made = answer(TokenFuse(pair, ("a", "b"), align=align), how).text
        assert len(expected) > 20
        assert made.startswith(expected)


def test_a_formula_is_of_processed_members(pair, plain, greedy, answer):
    fuse = TokenFuse(pair, ("a", "b"), (1.0, -0.4), combine=LOGS, normalize=False)
    expected = by_hand(plain, greedy, pair, WHAT, lambda p: _ruled(p, p[0] - 0.4 * p[1]))
    assert answer(fuse, Sampling(max_tokens=LONG, processing=WHAT)).text.startswith(expected)


def _ruled(parts, total):
    """What any member rules out stays ruled out, whatever its weight."""
    out = torch.stack([part.isneginf() for part in parts]).any(0)
    return total.masked_fill(out, -torch.inf).log_softmax(-1)


def test_each_member_is_processed_as_its_own_declaration_says(data, plain, greedy, answer):
    folders = [data / "models" / f"stories260K{end}" for end in ("", "-ft-shakespeare")]
    own = Processing(repetition_penalty=1.5)
    first = checkpoint("a", folders[0], repetition_penalty=1.5)
    second = checkpoint("b", folders[1])
    fuse = TokenFuse((first, second), ("a", "b"))
    one, other = plain(first), plain(second)
    prompt = one.prompt(TEXT)

    @torch.inference_mode()
    def step(written):
        ids = [*prompt, *written]
        both = [m.local.module(torch.tensor([ids])).logits[0, -1].double() for m in (one, other)]
        parts = [
            processed(each, ids, len(prompt), what)
            for each, what in zip(both, (own, Processing()), strict=True)
        ]
        return mean(parts)

    ids = greedy(step, LONG, one.local.ends)
    expected = one.local.vocabulary.bytes_of(ids).decode()
    assert answer(fuse, Sampling(max_tokens=LONG)).text.startswith(expected)
    asked = Sampling(max_tokens=LONG, processing=Processing(repetition_penalty=1.0))
    unsaid = TokenFuse((checkpoint("a", folders[0]), second), ("a", "b"))
    assert answer(fuse, asked).text == answer(unsaid, Sampling(max_tokens=LONG)).text


@pytest.mark.slow
@pytest.mark.parametrize("tokens", [1, 4])
@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_drafted_answers_are_distributed_as_undrafted_ones(pair, answer, tokens, temperature):
    draft = Part("draft.speculative", (("tokens", tokens),))
    how = Sampling(temperature, top_k=1, max_tokens=40, processing=replace(WHAT, min_tokens=35))
    made = answer(TokenFuse(pair, ("a", "b"), draft=draft), how)
    undrafted = answer(TokenFuse(pair, ("a", "b")), how)
    assert made.tokens == undrafted.tokens
    assert made.logprobs == pytest.approx(undrafted.logprobs, abs=1e-4)


def test_a_gate_that_opens_everywhere_changes_nothing(pair, answer):
    gate = Part("gate.unsure", (("below", 1.1),))
    how = Sampling(max_tokens=LONG, processing=WHAT)
    for lazy in (False, True):
        gated = answer(TokenFuse(pair, ("a", "b"), gate=gate, lazy=lazy), how)
        assert gated.text == answer(TokenFuse(pair, ("a", "b")), how).text


def alone(kind, members):
    names = tuple("ab"[: len(members)])
    if kind is Handoff:
        return Handoff(members, names, when=Part("handover.doubt"))
    return kind(members, names)


@pytest.mark.parametrize("kind", [SpanFuse, ByteFuse])
def test_a_fuse_of_one_is_that_one(model, answer, kind):
    how = Sampling(max_tokens=LONG, processing=replace(WHAT, min_tokens=20))
    fused = answer(alone(kind, (model("stories"),)), how)
    lone = answer(model("stories"), how).text
    assert len(lone) > 20
    assert fused.text.startswith(lone) or lone.startswith(fused.text)


@pytest.mark.parametrize("kind", [SpanFuse, ByteFuse, Handoff])
def test_no_fuse_ends_before_it_has_enough_tokens(zoo, answer, kind):
    fuse, text = alone(kind, (zoo("maths"), zoo("general-1"))), "What is 12 plus 30?"
    short = answer(fuse, Sampling(max_tokens=30), text)
    made = answer(fuse, Sampling(max_tokens=30, processing=Processing(min_tokens=20)), text)
    assert len(short.tokens) < 20 < len(made.tokens)


def test_a_safe_draft_ends_no_sooner_either(zoo, answer):
    draft = Part("draft.safe")
    fuse = TokenFuse((zoo("maths"), zoo("general-1")), ("a", "b"), draft=draft)
    how = Sampling(max_tokens=30, processing=Processing(min_tokens=20))
    assert len(answer(fuse, how, "What is 12 plus 30?").tokens) > 20


def test_forbidden_tokens_are_written_by_no_fuse(pair, answer):
    forbidden = {"e", " the", " a", " to", " she"}
    bias = tuple((token, -100.0) for token in sorted(forbidden))
    how = Sampling(max_tokens=LONG, processing=Processing(logit_bias=bias))
    words = forbidden - {"e"}  # a byte fuse adds an "e" where it has the "s" of a token "se"
    fuses = TokenFuse(pair, ("a", "b")), alone(SpanFuse, pair), alone(ByteFuse, pair)
    for fuse, unwritten in zip(fuses, (forbidden, forbidden, words), strict=True):
        assert not unwritten.intersection(answer(fuse, how).tokens)
        assert unwritten.intersection(answer(fuse, Sampling(max_tokens=LONG)).tokens)


def test_a_handed_over_answer_counts_what_was_written_before(model, answer):
    pair = model("stories"), model("stories")
    handoff = Handoff(pair, ("a", "b"), when=Part("handover.doubt"))
    how = Sampling(max_tokens=LONG, processing=replace(WHAT, logit_bias=None))
    made = answer(handoff, how)
    assert len(made.spans) == 2
    assert made.text == answer(model("stories"), how).text


def test_what_is_gone_on_from_is_of_the_answer(model, answer):
    how = Sampling(max_tokens=16, processing=replace(WHAT, min_tokens=None))
    whole = answer(model("stories"), how)
    start = "".join(whole.tokens[:6])
    rest = answer(model("stories"), replace(how, max_tokens=10), prefix=start)
    assert start + rest.text == whole.text


def test_no_stop_string_ends_an_answer_that_is_too_short(model, answer):
    whole = answer(model("stories"), Sampling(max_tokens=LONG))
    stop = whole.tokens[2]
    how = Sampling(max_tokens=LONG, stop=(stop,), processing=Processing(min_tokens=10))
    made = answer(model("stories"), how)
    assert len(made.tokens) > 10
    assert made.text.startswith("".join(whole.tokens[:10]))
    assert (
        answer(model("stories"), replace(how, processing=Processing())).tokens == whole.tokens[:3]
    )


def test_a_stop_string_that_ends_later_is_found_though_it_began_sooner():
    writer = TextStream(("bcd",))
    writer.add(b"abc", free=True)
    writer.add(b"d bcd")
    assert (writer.stopped, writer.text) == (True, "a")


def test_prompt_and_answer_are_no_longer_than_they_may_be(model, plain, answer):
    local = plain(model("stories")).local
    prompt = len(local.render((("user", TEXT),)))
    made = answer(model("stories"), Sampling(max_length=prompt + 7))
    assert (len(made.tokens), made.finish) == (7, "length")
    assert made.text == generated(local, TEXT, max_new_tokens=None, max_length=prompt + 7)


def test_an_id_beyond_the_vocabulary_is_an_error(model, answer):
    with pytest.raises(ModelError, match="no token with the id 512: it has 512 tokens"):
        answer(model("stories"), asking(logit_bias=((512, 1.0),)))


def test_a_text_that_is_no_token_is_an_error(model, answer):
    with pytest.raises(ModelError, match="no token that is exactly ' zebra'"):
        answer(model("stories"), asking(logit_bias=((" zebra", 1.0),)))


def test_neighbours_are_left_alone(engine, model):
    kinds = [asking(), asking(repetition_penalty=1.5), asking(min_tokens=9), asking()]
    jobs = [Job(model("stories"), ((("user", TEXT),),), how) for how in kinds]
    together = [future.result(60) for future in [engine.generate(job) for job in jobs]]
    alone = [engine.generate(job).result(60) for job in jobs]
    assert [made.text for made in together] == [made.text for made in alone]
    assert together[0].text != together[1].text
