"""The span recipes against their papers' arithmetic, written plainly on uncached zoo models."""

import math
import re
from itertools import accumulate
from pathlib import Path
from statistics import fmean, median

import pytest
import torch
from fusing import checkpoint

import composer
from composer.engine.weights.local import load
from composer.methods.fitted import read

HERE = Path(__file__).parents[2]
NAMES = {"general": "general-1", "general_2": "general-2", "other": "other"}
ROUNDS = 2
CLOSE = 1e-4


class Plain:
    """A member without cache: the tokens of its prompt and of the answer so far."""

    def __init__(self, name):
        folder = HERE / "composer" / "zoo" / "models" / NAMES[name]
        if not (folder / "model.safetensors").is_file():
            pytest.skip(f"the zoo has no model {name}")
        self.local = load(checkpoint(name, folder))
        self.name, self.vocabulary = name, self.local.vocabulary

    @torch.inference_mode()
    def after(self, ids):
        logits = self.local.module(torch.tensor([ids])).logits[0, -1, : self.local.width]
        return logits.double().log_softmax(-1)

    def written(self, ids, ended, first=()):
        """Go on greedily from a first token until `ended(tokens)`, or to the end."""
        tokens = list(first)
        while not tokens or tokens[-1] not in self.local.ends:
            tokens.append(int(self.after(ids + tokens).argmax()))
            count = ended(tokens)
            if count:
                return tokens[:count]
        return tokens

    def text(self, tokens):
        return self.vocabulary.bytes_of(tokens).decode()

    def mean(self, ids, tokens):
        """The mean log-probability of tokens; that of an end is that of all ends."""
        each = [self.after(ids + tokens[:n]) for n in range(len(tokens))]
        ends = sorted(self.local.ends)
        own = [
            float(logs[ends].logsumexp(0) if token in self.local.ends else logs[token])
            for logs, token in zip(each, tokens, strict=True)
        ]
        return fmean(own)


@pytest.fixture(scope="module")
def members():
    return [Plain(name) for name in NAMES]


def fused(members, question, propose, total):
    """Run some rounds by hand: the proposals, and the text that is kept, of each."""
    ids = [each.local.render((("user", question),)) for each in members]
    for _ in range(ROUNDS):
        proposals = [
            (each.text(tokens), tokens[-1] in each.local.ends)
            for each, own in zip(members, ids, strict=True)
            for tokens in propose(each, own)
        ]
        pairs = list(zip(members, ids, strict=True))
        scores = [[score(*pair, proposed) for proposed in proposals] for pair in pairs]
        totals = [total(column) for column in zip(*scores, strict=True)]
        best = max(range(len(proposals)), key=totals.__getitem__)
        yield [text for text, _ in proposals], proposals[best][0]
        ids = [own + tokens_of(each, proposals[best]) for each, own in pairs]
        if proposals[best][1]:
            return


def tokens_of(member, proposed):
    text, ended = proposed
    return [*member.vocabulary.extend(text.encode()), *sorted(member.local.ends)[: int(ended)]]


def score(member, ids, proposed):
    return member.mean(ids, tokens_of(member, proposed))


def held(recipe, question, expected):
    events = composer.load(HERE / "recipes" / "span" / recipe)(question).trace.events
    ((*spans,),) = [asked.spans for event in events for asked in event.asked if asked.spans]
    for span, (texts, kept) in zip(spans, expected, strict=False):
        assert list(span.candidates.values()) == texts
        assert span.text == kept


def words_of(text):
    return [found.end() for found in re.finditer(r"\s*\S+(?=\s)", text)]


def by_words(member, n):
    """Where `n` words end, as a number of tokens."""

    def ended(tokens):
        ends = words_of(member.text(tokens))
        if len(ends) < n:
            return 0
        return next(k for k in range(len(tokens)) if len(member.text(tokens[:k])) == ends[n - 1])

    return ended


def test_sweetspan_leaves_out_what_is_far_from_the_median(members):
    def total(scores):
        perplexities = [-math.exp(-each) for each in scores]
        far = [abs(each - median(perplexities)) for each in perplexities]
        most = 2 * 1.4826 * median(far)
        return fmean(p for p, d in zip(perplexities, far, strict=True) if d <= most)

    question = "Order alphabetically: stone, apple, river."
    propose = lambda each, ids: [each.written(ids, by_words(each, 4))]  # noqa: E731
    held("sweetspan.ens", question, fused(members, question, propose, total))


def test_cool_fusion_writes_the_shortest_common_pieces(members):
    def ended(member):
        def common(tokens):
            text = member.text(tokens)
            done = max(words_of(text), default=0)
            cuts = [own_cuts(each, text[:done]) for each in members if each is not member]
            own = accumulate(len(member.vocabulary.piece(token)) for token in tokens)
            return next((n for n, at in enumerate(own, 1) if all(at in c for c in cuts)), 0)

        return common

    def own_cuts(member, text):
        tokens = member.vocabulary.extend(text.encode())
        return set(accumulate(len(member.vocabulary.piece(token)) for token in tokens))

    question = "Sort the words pear, fig, lemon."
    propose = lambda each, ids: [each.written(ids, ended(each))]  # noqa: E731
    total = lambda scores: fmean(-math.exp(-each) for each in scores)  # noqa: E731
    held("cool_fusion.ens", question, fused(members, question, propose, total))


def test_adafuse_writes_on_while_it_is_sure(members):
    def margin(member, ids):
        first, second = member.after(ids).topk(2).values.exp().tolist()
        return first - second

    def ended(member, ids):
        def unsure(tokens):
            ends = words_of(member.text(tokens))
            for count, end in enumerate(ends, 1):
                n = next(k for k in range(len(tokens)) if len(member.text(tokens[:k])) == end)
                if count == 3 or margin(member, ids + tokens[:n]) < 0.7:
                    return n
            return 0

        return unsure

    def propose(member, ids):
        if margin(member, ids) >= 0.7:
            return [member.written(ids, ended(member, ids))]
        best = member.after(ids).topk(3).indices.tolist()
        return [member.written(ids, ended(member, ids), [token]) for token in best]

    question = "Reverse the word star."
    held("adafuse.ens", question, fused(members, question, propose, fmean))


def trimmed(member, count):
    """Where the last word of `count` tokens ends, as a number of tokens."""

    def ended(tokens):
        if len(tokens) <= count or tokens[-1] in member.local.ends:
            return 0
        most = len(member.text(tokens[:count]))
        end = max((end for end in words_of(member.text(tokens)) if end <= most), default=most)
        return next(k for k in range(len(tokens)) if len(member.text(tokens[:k])) >= end)

    return ended


def specfuse(members, question):
    """Two rounds by hand: what each member drafts, what is kept, and the weights of the round."""
    ids, weights = [each.local.render((("user", question),)) for each in members], [1 / 3] * 3
    for number in (1, 2):
        drafts = [
            (each.text(tokens), tokens[-1] in each.local.ends)
            for each, own in zip(members, ids, strict=True)
            for tokens in [each.written(own, trimmed(each, 5))]
        ]
        pairs, different = list(zip(members, ids, strict=True)), list(dict.fromkeys(drafts))
        means = [{one: math.exp(score(*pair, one)) for one in different} for pair in pairs]
        shares = [{one: own[one] / sum(own.values()) for one in different} for own in means]
        totals = {
            one: sum(w * own[one] for w, own in zip(weights, shares, strict=True))
            for one in different
        }
        best = max(different, key=totals.__getitem__)
        yield [text for text, _ in drafts], best[0], weights
        wins = [
            fmean(
                0.5 if shares[j][drafts[i]] == shares[j][drafts[k]]
                else shares[j][drafts[i]] > shares[j][drafts[k]]
                for j in range(3) for k in range(3) if i not in {j, k}
            )
            for i in range(3)
        ]  # fmt: skip
        grown = [
            w * math.exp(math.sqrt(1 / 3) / number * r) for w, r in zip(weights, wins, strict=True)
        ]
        weights = [each / sum(grown) for each in grown]
        ids = [own + tokens_of(each, best) for each, own in pairs]


def test_specfuse_weighs_members_by_what_the_others_prefer(members):
    question = "Sort the words pear, fig, lemon."
    expected = list(specfuse(members, question))
    recipe = composer.load(HERE / "recipes" / "span" / "specfuse.ens", draft=5)
    events = recipe(question).trace.events
    ((*spans,),) = [asked.spans for event in events for asked in event.asked if asked.spans]
    assert len(spans) > 1
    for span, (texts, kept, weights) in zip(spans, expected, strict=False):
        assert (list(span.candidates.values()), span.text) == (texts, kept)
        assert list(span.weights.values()) == pytest.approx(weights, abs=1e-4)


def test_cool_fusion_may_choose_among_whole_answers():
    recipe = HERE / "recipes" / "span" / "cool_fusion.ens"
    result = composer.load(recipe, rerank=True)("Sort the words pear, fig, lemon.")
    ((*spans,),) = [asked.spans for e in result.trace.events for asked in e.asked if asked.spans]
    last = spans[-1]
    assert last.whole
    assert set(last.candidates) == {"fused", *NAMES}
    totals = {one: fmean(own[one] for own in last.scores.values()) for one in last.candidates}
    assert result.answer.strip() == last.candidates[max(totals, key=totals.__getitem__)].strip()


def test_rlae_weighs_by_the_words_of_the_question():
    """Nothing was heard before the first span: the policy sees the words of the question, and 1."""
    question = "Sort the words pear, fig, lemon."
    state = read(HERE / "recipes" / "span" / "rlae.safetensors")
    terms = bytes(state.arrays["features.0.words.terms"]).decode().split("\n")
    seen = [term for term in re.findall(r"\w+", question.lower()) if term in terms]
    counts = [1 + math.log(seen.count(term)) if term in seen else 0.0 for term in terms]
    row = state.arrays["features.0.words.idf"] * counts
    words = row / math.sqrt((row**2).sum())
    table = state.arrays["policy.coefficients"]
    actions = table[:, : len(words)] @ words + table[:, -1]
    powers = [math.exp(action) for action in actions.tolist()]
    recipe = composer.load(HERE / "recipes" / "span" / "rlae.ens")
    result = recipe(question)
    ((*spans,),) = [asked.spans for e in result.trace.events for asked in e.asked if asked.spans]
    expected = [power / sum(powers) for power in powers]
    assert list(spans[0].weights) == ["maths", "text", "general"]
    assert list(spans[0].weights.values()) == pytest.approx(expected, abs=1e-5)
    totals = {
        name: sum(spans[0].weights[judge] * own[name] for judge, own in spans[0].scores.items())
        for name in spans[0].candidates
    }
    assert spans[0].text == spans[0].candidates[max(totals, key=totals.__getitem__)]
    assert result.answer.strip() == "fig, lemon, pear"


def test_a_filter_with_too_few_members_is_told():
    fuse = 'use "zoo.ens" (A, B, C)\nspan_fuse({}, filter = outliers())'
    (warning,) = composer.load(fuse.format("A, B")).check()
    assert (warning.code, "there are 2" in warning.message) == ("W304", True)
    assert not composer.load(fuse.format("A, B, C")).check()
