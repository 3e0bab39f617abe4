"""Weights out of a prompt, by hand and by PackLLM's own algorithm on the same models."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fusing import LOGS, MEAN, UNION, Job, Part, Prompted, SpanFuse, TokenFuse, ask_score

from composer.engine.sessions.parts import PromptWeigh
from composer.engine.sessions.prompt_weights import set_prompt_weights
from composer.values import ModelError, Sampling

TEXT = "Once upon a time there was a little girl named Lily."
PERPLEXITY = Part("weigh.perplexity")
SEARCH = Part("weigh.search")
NAMES = ("stories", "shakespeare", "maths")


@pytest.fixture(scope="module")
def three(model):
    return tuple(model(name) for name in NAMES)


@pytest.fixture
def weights(engine, monkeypatch):
    """The weights that a fuse settles on: `weights(fuse, text)`."""
    from composer.engine.sequence import SequenceState

    found = []
    plain = SequenceState.set_weights

    def look(sequence, weights):
        plain(sequence, weights)
        found.append(sequence.weights)

    monkeypatch.setattr(SequenceState, "set_weights", look)

    def run(fuse, *texts, **how):
        prompts = tuple((("user", text),) for text in texts)
        engine.generate(Job(fuse, prompts, Sampling(max_tokens=2), **how)).result(60)
        return found[-1]

    return run


def read(plain, members, text):
    """Each member's log-probabilities [token, vocabulary] of a prompt, and the tokens."""
    models = [plain(m) for m in members]
    ids = models[0].prompt(text)
    logits = [m.local.module(torch.tensor([ids]), use_cache=False).logits[0, :-1] for m in models]
    return [each.double().log_softmax(-1) for each in logits], ids[1:]


def losses(logits, ids):
    return [-each[range(len(ids)), ids].mean().item() for each in logits]


def softmax(values):
    made = np.exp(np.array(values) - max(values))
    return (made / made.sum()).tolist()


def packllm(logits, ids, mixed, steps=21):
    """PackLLM-opt as its code has it, over what `mixed` makes of two distributions."""
    order = np.argsort(losses(logits, ids), kind="stable")
    lambdas = [1.0]
    current = logits[order[0]]
    for step in order[1:]:
        best, share = 10000.0, 1.0
        for n in range(steps):
            one = n / (steps - 1)
            loss = losses([mixed(one, current, logits[step]).log_softmax(-1)], ids)[0]
            if loss < best:
                best, share = loss, one
        current = mixed(share, current, logits[step])
        lambdas = [*(each * share for each in lambdas), 1 - share]
    return [lambdas[list(order).index(n)] for n in range(len(logits))]


def linear(share, one, other):
    return (share * one.exp() + (1 - share) * other.exp()).log()


def logarithmic(share, one, other):
    return share * one + (1 - share) * other


@torch.inference_mode()
def test_perplexity_is_a_softmax_of_the_prompts_mean_loss(three, plain, weights):
    found = weights(TokenFuse(three, NAMES, prior=PERPLEXITY), TEXT)
    expected = softmax([-each for each in losses(*read(plain, three, TEXT))])
    assert found == pytest.approx(expected, abs=1e-4)


@torch.inference_mode()
def test_perplexity_multiplies_given_weights_and_heats_up(three, plain, weights):
    prior = Part("weigh.perplexity", (("temperature", 0.5),))
    found = weights(TokenFuse(three, NAMES, (1.0, 2.0, 0.0), prior=prior), TEXT)
    one, two, _ = [math.exp(-each / 0.5) for each in losses(*read(plain, three, TEXT))]
    assert found == pytest.approx([one / (one + 2 * two), 2 * two / (one + 2 * two), 0], abs=1e-4)


@torch.inference_mode()
@pytest.mark.parametrize(("combine", "mixed"), [(MEAN, linear), (LOGS, logarithmic)])
def test_search_is_packllms_own_algorithm(three, plain, weights, combine, mixed):
    for text in (TEXT, "Tom had 5 apples and 3 pears.", "My lord, the king doth come."):
        logits, ids = read(plain, three, text)
        found = weights(TokenFuse(three, NAMES, combine=combine, prior=SEARCH), text)
        expected = packllm(logits, ids, mixed)
        near = [abs(a - b) for a, b in zip(found, expected, strict=True)]
        assert max(near) < 1e-6 or _as_good(found, expected, logits, ids, combine)
        assert sum(found) == pytest.approx(1)


def _as_good(found, expected, logits, ids, combine):
    """Whether two mixtures cost the same, but for rounding."""

    def cost(weights):
        if combine == LOGS:
            total = sum(w * each for w, each in zip(weights, logits, strict=True))
        else:
            total = sum(w * each.exp() for w, each in zip(weights, logits, strict=True)).log()
        return losses([total.log_softmax(-1)], ids)[0]

    return abs(cost(found) - cost(expected)) < 1e-5


def test_a_mixture_of_two_by_hand():
    from composer.methods.weigh.search import _joined

    # two tokens: A gives them .8 and .2, B .2 and .5; -log is least where the derivative is 0
    def loss(mix):
        a, b = mix.get(0, 0.0), mix.get(1, 0.0)
        return -(math.log(0.8 * a + 0.2 * b) + math.log(0.2 * a + 0.5 * b)) / 2

    best = min(range(21), key=lambda n: loss({0: n / 20, 1: 1 - n / 20}))
    for convex in (True, False):
        assert _joined({0: 1.0}, 1, loss, 21, convex=convex) == {0: best / 20, 1: 1 - best / 20}
    assert 0 < best < 20


def test_a_cost_that_jumps_at_its_end_is_searched_to_the_end():
    from composer.methods.weigh.search import _joined

    costs = [3.0, *[100.0] * 19, 2.0]  # what one member cannot write, no mixture can
    found = _joined({0: 1.0}, 1, lambda mix: costs[round(mix[0] * 20)], 21, convex=True)
    assert found == {0: 1.0, 1: 0.0}


def test_what_search_gives_nothing_is_not_run_afterwards(whole, engine):
    three = whole("stories"), whole("shakespeare"), whole("maths")
    prompt = ((("user", TEXT),),)
    made = engine.generate(
        Job(TokenFuse(three, NAMES, prior=SEARCH), prompt, Sampling(max_tokens=6))
    ).result(60)
    assert made.usage["maths"].calls == 1  # the prompt
    assert made.usage["stories"].calls > 1


def test_the_prompt_is_read_once(three, engine):
    prompt = ((("user", TEXT),),)
    made = [
        engine.generate(Job(TokenFuse(three, NAMES, prior=p), prompt, Sampling(max_tokens=6)))
        .result(60)
        .usage["stories"]
        for p in (None, PERPLEXITY)
    ]
    assert made[1].calls == made[0].calls + 1
    assert made[1].prompt_tokens == made[0].prompt_tokens


def test_settled_weights_write_what_fixed_ones_do(three, write, weights):
    fuse = TokenFuse(three, NAMES, combine=LOGS, prior=PERPLEXITY)
    found = weights(fuse, TEXT)
    assert write(fuse, TEXT).text == write(TokenFuse(three, NAMES, found, LOGS), TEXT).text


@pytest.mark.parametrize("prior", [PERPLEXITY, SEARCH])
def test_unlike_vocabularies(whole, weights, prior):
    fuse = TokenFuse((whole("stories"), whole("rwkv")), ("a", "b"), align=UNION, prior=prior)
    found = weights(fuse, TEXT)
    assert sum(found) == pytest.approx(1)
    assert found[0] > found[1]


def test_search_over_a_union_of_one_vocabulary_is_the_same(three, weights):
    """Read as text after BOS, which is how this prompt is rendered, too."""
    like, unlike = (
        weights(TokenFuse(three, NAMES, align=align, prior=SEARCH), TEXT)
        for align in (Part("align.shared"), UNION)
    )
    assert like == pytest.approx(unlike, abs=1e-6)


def test_loss_per_byte(model, plain, weights):
    prior = Part("weigh.perplexity", (("per", "byte"),))
    members = model("stories"), model("shakespeare")
    found = weights(TokenFuse(members, ("a", "b"), prior=prior), TEXT)
    logits, ids = read(plain, members, TEXT)
    scale = len(ids) / len(TEXT.encode())
    spelt = plain(members[0]).local.vocabulary.bytes_of(ids)
    scale = len(ids) / len(spelt)
    assert found == pytest.approx(softmax([-x * scale for x in losses(logits, ids)]), abs=1e-4)


@pytest.mark.parametrize("prior", [PERPLEXITY, SEARCH])
def test_batch_equals_single_and_streamed_equals_whole(engine, three, write, prior):
    fuse = TokenFuse(three, NAMES, prior=prior)
    texts = [TEXT, "Tom was sad.", "The sun"]
    jobs = [Job(fuse, ((("user", text),),), Sampling(max_tokens=12)) for text in texts]
    made = [future.result(60) for future in [engine.generate(job) for job in jobs]]
    for text, together in zip(texts, made, strict=True):
        pieces = []
        alone = write(fuse, text, max_tokens=12, on_text=pieces.append)
        assert together.text == alone.text == "".join(pieces)
        assert together.logprobs == pytest.approx(alone.logprobs, abs=1e-4)


def test_a_prefix_does_not_change_the_weights(three, engine, weights):
    fuse = TokenFuse(three, NAMES, prior=PERPLEXITY)
    assert weights(fuse, TEXT, prefix=" She liked 5 apples") == pytest.approx(weights(fuse, TEXT))


def test_an_empty_prompt_leaves_the_weights(three, weights):
    for prior in (PERPLEXITY, SEARCH):
        fuse = TokenFuse(three, NAMES, (3.0, 1.0, 0.0), prior=prior)
        assert weights(fuse, "") == (0.75, 0.25, 0)


def test_a_long_prompt_is_read_in_stretches(three, plain, weights):
    long = "She liked to play with her toys in the park. " * 30
    found = weights(TokenFuse(three, NAMES, prior=PERPLEXITY), long)
    with torch.inference_mode():
        logits, ids = read(plain, three, long)
    assert len(ids) > 300
    assert found == pytest.approx(softmax([-x for x in losses(logits, ids)]), abs=1e-3)


def test_members_of_several_prompts_are_weighed_by_perplexity_only(model, weights):
    base = model("stories")
    members = base, Prompted(base, 1)
    fuse = TokenFuse(members, ("a", "b"), prior=PERPLEXITY)
    assert weights(fuse, TEXT, "Zqx 7 7 vv")[0] > 0.5
    with pytest.raises(ModelError, match="these have different prompts"):
        weights(TokenFuse(members, ("a", "b"), prior=SEARCH), TEXT, "Tom")


def test_senseless_fuses_are_refused_in_words(three, write):
    inner = TokenFuse(three[:2], NAMES[:2])
    with pytest.raises(ModelError, match="is a fuse"):
        write(TokenFuse((inner, three[2]), ("ab", "c"), prior=SEARCH), TEXT)
    weighed = TokenFuse(three[:2], NAMES[:2], prior=SEARCH)
    with pytest.raises(ModelError, match="`weigh` cannot be used in a fuse inside another fuse"):
        TokenFuse((weighed, three[2]), ("ab", "c"))
    with pytest.raises(ModelError, match="cannot be used with a formula"):
        TokenFuse(three, NAMES, (1.0, 1.0, -1.0), LOGS, normalize=False, prior=SEARCH)


def test_a_score_is_by_settled_weights_too(engine, three, weights):
    fuse = TokenFuse(three, NAMES, prior=PERPLEXITY)
    found = weights(fuse, TEXT)
    prompts = ((("user", TEXT),),)
    settled = ask_score(engine, fuse, prompts, " She").result(60)
    fixed = ask_score(engine, TokenFuse(three, NAMES), prompts, " She", weights=found).result(60)
    assert settled.logprobs == pytest.approx(fixed.logprobs, abs=1e-5)


def test_a_fuse_inside_spans_settles_too(three, write, weights):

    inner = TokenFuse(three[:2], NAMES[:2], prior=PERPLEXITY)
    made = write(SpanFuse((inner, three[2]), ("ab", "c")), TEXT, max_tokens=8)
    found = weights(inner, TEXT)
    fixed = TokenFuse(three[:2], NAMES[:2], found)
    assert made.text == write(SpanFuse((fixed, three[2]), ("ab", "c")), TEXT, max_tokens=8).text


@pytest.mark.parametrize(
    "prior", [SEARCH, PERPLEXITY, Part("weigh.perplexity", (("temperature", 0.001),))]
)
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("align", ["shared", "union"])
def test_a_lead_without_weight_is_not_weighed(three, weights, prior, order, align):
    gate = Part("gate.unsure")
    pair = tuple(three[n] for n in order)
    options = {"align": UNION} if align == "union" else {}
    fuse = TokenFuse(pair, ("a", "b"), (0.0, 1.0), prior=prior, gate=gate, **options)
    assert weights(fuse, TEXT) == (0.0, 1.0)


def test_a_prompt_that_leaves_nobody_a_weight_is_an_error():
    class Zero(PromptWeigh):
        async def prompt_weights(self, sequence, query):
            del sequence, query
            return (0.0, 0.0)

    group = SimpleNamespace(prompt_weigh=Zero())
    with pytest.raises(ModelError, match="has the weight zero") as error:
        set_prompt_weights(SimpleNamespace(group=group, weights=(0.5, 0.5)), ()).send(None)
    assert error.value.code == "E701"


@pytest.mark.parametrize("prior", [SEARCH, PERPLEXITY])
def test_who_leads_stays_though_all_others_leave_while_they_are_weighed(
    three, write, monkeypatch, engine, prior
):
    (runner,) = engine._pool.get([three[1]])

    def fail(feeds):
        raise MemoryError("no room on the device")

    monkeypatch.setattr(runner.rows, "forward", fail)
    gate = Part("gate.unsure")
    fuse = TokenFuse(three[:2], ("a", "b"), (0.0, 1.0), prior=prior, gate=gate, leave=True)
    made = write(fuse, TEXT)
    assert made.text == write(three[0], TEXT).text
    assert set(made.left) == {"b"}
