import math

import pytest
import torch
from fusing import SHARED, Job, Part, TokenFuse

from composer.engine.requests.base import END
from composer.engine.requests.score_tokens import ScoreTokens
from composer.engine.sequence import SequenceState
from composer.engine.step import engine_step
from composer.values import ModelError, Sampling

TEXT = "Once upon a time"
NEAR = 1e-3  # decisions nearer than this may fall otherwise where rows share a pass


def drafted(tokens=5, sharpen="geometric"):
    return Part("draft.safe", (("tokens", tokens), ("sharpen", sharpen)))


def fused(members, draft=None, **options):
    return TokenFuse(members, ("a", "b", "c")[: len(members)], draft=draft, **options)


class ByHand:
    """SAFE without caches: texts are dictionaries of bytes, members lists of ids."""

    def __init__(self, plain, members, tokens, combine):
        self.models = [plain(member) for member in members]
        self.words = [model.local.vocabulary for model in self.models]
        self.ids = [model.prompt(TEXT) for model in self.models]
        self.tails = [b"" for _ in members]
        self.tokens, self.combine = tokens, combine
        self.made, self.fusions, self.ended = b"", 0, False

    def run(self, count):
        """Write rounds until there are so many tokens; false where a decision is too near."""
        written = 0
        while written < count and not self.ended:
            draft = self.draft()
            at = self.objection(draft)
            if draft is None or at is None:
                return False
            written += at
            self.take(draft[:at], whole=at == len(draft))
            if at < len(draft):
                written += 1
                if not self.fuse():
                    return False
        return True

    def draft(self):
        """Tokens of the lead, each with its probability."""
        found, ids = [], list(self.ids[0])
        for _ in range(self.tokens):
            p = self.models[0].after(ids).exp()
            best, second = p.topk(2).values.tolist()
            if best - second < NEAR or abs(best - 0.5) < NEAR:
                return None
            token = int(p.argmax())
            found.append((token, best))
            if token in self.models[0].local.ends:
                break
            ids.append(token)
        return found

    def cut(self, reader, text):
        """A reader's tokens of its tail and a text, and its ids before them."""
        tail = self.tails[reader]
        old = len(self.words[reader].extend(tail))
        before = self.ids[reader][: len(self.ids[reader]) - old]
        return before, list(self.words[reader].extend(tail + text))

    def objection(self, draft):
        if draft is None:
            return None
        pieces = [self.words[0].piece(token) for token, _ in draft]
        if draft[-1][0] in self.models[0].local.ends:
            pieces[-1] = b""
        text = b"".join(pieces)
        readers = range(1, len(self.models))
        cut = [self.cut(n, text) for n in readers]
        for at, (token, own) in enumerate(draft):
            offset = len(b"".join(pieces[:at]))
            if own >= 0.5:
                continue
            places = []
            for n, (_, ids) in zip(readers, cut, strict=True):
                sizes = [len(self.words[n].piece(i)) for i in ids]
                starts = [sum(sizes[:k]) - len(self.tails[n]) for k in range(len(ids) + 1)]
                places.append(starts.index(offset) if offset in starts else None)
            if None in places:
                continue
            for n, (before, ids), place in zip(readers, cut, places, strict=True):
                p = self.models[n].after([*before, *ids[:place]]).exp()
                ends = sorted(self.models[n].local.ends)
                ending = token in self.models[0].local.ends
                other = p[ends].sum().item() if ending else p[ids[place]].item()
                best = int(p.argmax())
                disagrees = best not in ends if ending else best != ids[place]
                if abs(own + other - 1) < NEAR or p.topk(2).values.diff().abs() < NEAR:
                    return None
                if disagrees and own + other < 1:
                    return at
        return len(draft)

    def take(self, draft, *, whole):
        """Every member is given the tokens that stand."""
        self.ended = bool(draft) and draft[-1][0] in self.models[0].local.ends
        kept = [token for token, _ in draft if token not in self.models[0].local.ends]
        text = self.words[0].bytes_of(kept)
        self.made += text
        self.ids[0] += kept
        for n in range(1, len(self.models)):
            before, ids = self.cut(n, text)
            self.ids[n] = [*before, *ids]
            tail = self.tails[n]
            start, offset = 0, -len(tail)
            for token in ids:  # the tail begins where a token does, not after the draft
                if offset + len(self.words[n].piece(token)) > 0:
                    break
                offset += len(self.words[n].piece(token))
                start += 1
            self.tails[n] = self.words[n].bytes_of(ids[start:]) if whole else b""

    def fuse(self):
        """One token of all, over what any of them can write."""
        said = []
        for words, model, ids in zip(self.words, self.models, self.ids, strict=True):
            own = {}
            for token, p in enumerate(model.after(ids).exp().tolist()):
                key = "end" if token in model.local.ends else words.pieces[token]
                if key:
                    own[key] = own.get(key, 0.0) + p
            said.append(own)
        total = self.combine(said)
        (best, p), (_, second) = sorted(total.items(), key=lambda item: -item[1])[:2]
        if p - second < NEAR:
            return False
        self.fusions += 1
        self.ended = best == "end"
        if not self.ended:
            self.made += best
            self.ids = [
                [*ids, *words.extend(best)] for words, ids in zip(self.words, self.ids, strict=True)
            ]
        self.tails = [b"" for _ in self.ids]
        return True


def mean(said):
    keys = {key for own in said for key in own}
    return {key: sum(own.get(key, 0.0) for own in said) / len(said) for key in keys}


def geometric(said):
    common = set(said[0]).intersection(*said[1:])
    raw = {key: math.prod(own[key] for own in said) ** (1 / len(said)) for key in common}
    return {key: value / sum(raw.values()) for key, value in raw.items()}


def prefixes(said):
    p = mean(said)
    best = sorted(p, key=lambda key: -p[key])[:10]
    words = [key for key in best if key != "end"]
    more = {
        key: sum(p[other] for other in words if len(other) > len(key) and other.startswith(key))
        for key in words
    }
    return {key: value + more.get(key, 0.0) for key, value in p.items()}


COMBINE = {"none": mean, "geometric": geometric, "prefixes": prefixes}


@pytest.mark.parametrize(
    ("names", "sharpen"),
    [
        *(
            pytest.param(("stories", "rwkv"), sharpen, marks=pytest.mark.slow)
            for sharpen in COMBINE
        ),
        (("stories", "shakespeare"), "prefixes"),
        (("stories", "shakespeare", "maths"), "geometric"),
    ],
)
def test_equals_by_hand(whole, plain, write, names, sharpen):
    members = tuple(map(whole, names))
    loop = ByHand(plain, members, 5, COMBINE[sharpen])
    loop.run(44)
    made = write(fused(members, drafted(5, sharpen)), TEXT, max_tokens=44)
    expected = loop.made.decode(errors="ignore")
    assert loop.fusions > 0
    assert len(expected) > 20
    assert made.text.startswith(expected) or expected.startswith(made.text)


def test_unlike_tokenizers_of_the_zoo_equal_by_hand(zoo, plain, write):
    members = zoo("general-1"), zoo("other")
    loop = ByHand(plain, members, 3, geometric)
    loop.run(16)
    made = write(fused(members, drafted(3)), TEXT, max_tokens=16)
    expected = loop.made.decode(errors="ignore")
    assert expected
    assert made.text.startswith(expected) or expected.startswith(made.text)


def test_others_that_agree_leave_the_lead_alone(model, write):
    twin = model("stories")
    made = write(fused((twin, twin), drafted()), TEXT, max_tokens=30)
    alone = write(twin, TEXT, max_tokens=30)
    assert made.tokens == alone.tokens
    assert made.logprobs == pytest.approx(alone.logprobs, abs=1e-4)


@pytest.mark.parametrize("temperature", [0.0, pytest.param(0.9, marks=pytest.mark.slow)])
def test_a_batch_writes_what_each_row_writes_alone(engine, model, write, temperature):
    fuse = fused((model("stories"), model("rwkv")), drafted())
    texts = [TEXT, "Tom was sad.", "The king", "Lily saw a big dog and"]
    how = {"temperature": temperature, "max_tokens": 20}
    jobs = [
        Job(fuse, ((("user", text),),), Sampling(seed=n, **how)) for n, text in enumerate(texts)
    ]
    made = [future.result(60) for future in [engine.generate(job) for job in jobs]]
    alone = [write(fuse, text, seed=n, **how) for n, text in enumerate(texts)]
    assert [m.text for m in made] == [m.text for m in alone]


@pytest.mark.parametrize("limit", [1, 2, 5, 6, 11])
def test_writes_exactly_as_many_tokens_as_it_may_and_streams_them(model, write, limit):
    pieces = []
    fuse = fused((model("stories"), model("rwkv")), drafted())
    made = write(fuse, TEXT, max_tokens=limit, on_text=pieces.append)
    assert len(made.tokens) == limit
    assert made.finish == "length"
    assert "".join(pieces) == made.text


def test_stops_at_a_stop_string(model, write):
    fuse = fused((model("stories"), model("shakespeare")), drafted())
    whole = write(fuse, TEXT, max_tokens=40).text
    stop = whole[10:14]
    made = write(fuse, TEXT, max_tokens=40, stop=(stop,))
    assert made.text == whole[: whole.index(stop)]
    assert made.finish == "stop"


def test_every_member_is_given_the_same_bytes(model, write, monkeypatch):
    seen = []
    close = SequenceState.close

    def look(sequence):
        for state in sequence.states.values():
            words = state.slot.runner.model.vocabulary
            seen.append(words.bytes_of(state.ids[state.counts.prompt :]))
        close(sequence)

    monkeypatch.setattr(SequenceState, "close", look)
    members = model("stories"), model("rwkv")
    made = write(fused(members, drafted()), TEXT, temperature=1.0, seed=5, max_tokens=40)
    assert len(seen) == 2
    assert seen[0] == seen[1]
    assert seen[0].decode(errors="replace") == made.text


def test_ends_where_the_lead_ends(zoo, write):
    members = zoo("general-1"), zoo("general-2")
    made = write(fused(members, drafted()), "Add 17 and 25.", max_tokens=32)
    assert made.finish == "stop"
    assert made.tokens[-1] == ""
    assert made.text.strip()


def test_a_full_context_ends_the_answer(model, write):
    fuse = fused((model("stories"), model("shakespeare")), drafted(), align=SHARED)
    made = write(fuse, "word " * 160, max_tokens=600)
    assert made.finish == "context"
    plain = write(model("stories"), "word " * 160, max_tokens=600)
    assert abs(len(made.tokens) - len(plain.tokens)) <= 1


def test_a_lead_without_weight_leaves_a_plain_fuse(model, write):
    members = model("stories"), model("shakespeare")
    made = write(fused(members, drafted(sharpen="none"), weights=(0.0, 1.0)), TEXT)
    assert made.text == write(members[1], TEXT).text


def test_members_are_single_models(model, write):
    inner = fused((model("stories"), model("shakespeare")))
    with pytest.raises(ModelError, match="must be a single model"):
        write(TokenFuse((inner, model("rwkv")), ("ab", "c"), draft=drafted()), TEXT)


def test_scores_of_tokens_tell_what_each_model_makes_of_its_own_tokens(engine, model, plain):
    members = model("stories"), model("rwkv")
    group = engine._group(fused(members))
    own = [plain(member) for member in members]
    prompts = [each.prompt(TEXT) for each in own]
    with torch.inference_mode():
        sequence = SequenceState.open(
            group, group.weights(fused(members)), dict(enumerate(map(list, prompts)))
        )
        tokens = {n: [*own[n].local.vocabulary.extend(b" was"), END] for n in range(2)}
        for n, own_tokens in tokens.items():
            sequence.states[n].ids += own_tokens[:-1]
        scoring = ScoreTokens(sequence, tokens)
        answer = engine_step([scoring])[scoring]
        sequence.close()
    for n, model_ in enumerate(own):
        *given, end = tokens[n]
        assert end == END
        said = [model_.after([*prompts[n], *given[:k]]) for k in range(len(given) + 1)]
        ends = said[-1][sorted(model_.local.ends)].logsumexp(-1).item()
        expected = [p[t].item() for p, t in zip(said, given, strict=False)] + [ends]
        assert answer[n].logprobs == pytest.approx(expected, abs=1e-4)
        assert answer[n].likeliest == [int(p.argmax()) for p in said]
