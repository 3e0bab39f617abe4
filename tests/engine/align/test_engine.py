"""Every alignment in the engine: as its algorithm written plainly, in any batch, streamed."""

import math

import numpy as np
import pytest
import torch
from fusing import UNION, FittedState, Job, Part, TokenFuse, ask_score
from torch.nn.functional import cosine_similarity, kl_div, normalize

from composer.engine.group import Group
from composer.methods.align.distance import levenshtein
from composer.methods.align.mapped import learn_mapping
from composer.values import Sampling

QUESTIONS = ["What is 12 plus 30?", "Reverse the word star.", "What number is XVII?"]


@pytest.fixture(scope="module")
def members(zoo):
    return zoo("general-1"), zoo("other")


@pytest.fixture(scope="module")
def models(members, plain):
    return [plain(member) for member in members]


@pytest.fixture(scope="module")
def learnt(models):
    state = learn_mapping(models[0].local, [models[1].local])
    return FittedState("learnt", lambda: state)


@pytest.fixture(scope="module")
def fused(members, learnt):
    """A fuse aligned in some way."""
    options = {
        "topk": ("topk", {}),
        "all": ("topk", {"k": 7, "renormalize": False}),
        "edits": ("edits", {}),
        "relative": ("relative", {}),
        "dense": ("relative", {"k": 384, "nearest": 400, "floor": 0.0}),
        "mapped": ("mapped", {"taught": learnt, "k": 20}),
    }

    def make(way):
        name, chosen = options[way]
        return TokenFuse(members, ("a", "b"), align=Part(f"align.{name}", tuple(chosen.items())))

    return make


def pieces(model):
    """A model's tokens by their bytes; its ends are one."""
    return {p: t for p, t in model.local.vocabulary.ids.items() if t < model.local.width}


def topk(models, said, k, *, renormalize):
    """UniTE with dictionaries."""
    names, found = set(), []
    for model, row in zip(models, said, strict=True):
        names |= {model.local.vocabulary.pieces[t] or b"" for t in row.topk(k).indices.tolist()}
    for model, row in zip(models, said, strict=True):
        ids, ends = pieces(model), sorted(model.local.ends)
        logs = {n: row[ids[n]] for n in names if n in ids}
        logs |= {b"": row[ends].logsumexp(0)} if b"" in names else {}
        used = {ids[n] for n in logs if n}
        for name in sorted(names - set(logs)):
            first = model.local.vocabulary.extend(name)[0]
            logs[name] = -torch.inf * torch.ones(()) if first in used else row[first]
            used.add(first)
        total = torch.stack(list(logs.values())).logsumexp(0) if renormalize else 0.0
        found.append({n: float((v - total).exp()) for n, v in logs.items()})
    return {n: sum(each[n] for each in found) / len(found) for n in names}


def edits(models):
    first, other = (pieces(model) for model in models)
    every, known = np.arange(len(other)), list(other)
    near = {p: known[levenshtein([p], known, 0 * every, every).argmin()] for p in first}

    def combine(said):
        own, logits = said
        theirs = {p: logits[other[near[p]]] for p in first}
        theirs[b""] = logits[sorted(models[1].local.ends)].logsumexp(0)
        total = torch.stack(list(theirs.values())).logsumexp(0)
        p = own.softmax(-1)
        mine = {n: p[t] for n, t in first.items()} | {b"": p[sorted(models[0].local.ends)].sum()}
        return {n: float(mine[n] + (theirs[n] - total).exp()) / 2 for n in mine}

    return combine


def dense(models):
    """DeePEn with whole matrices and torch's own optimizer."""
    first, other = (pieces(model) for model in models)
    common = [p for p in first if p in other]
    rows = []
    for model, ids in zip(models, (first, other), strict=True):
        vectors = model.local.module.get_input_embeddings().weight.float()
        anchors = vectors[[*(ids[p] for p in common), min(model.local.ends)]]
        likeness = cosine_similarity(vectors[:, None], anchors[None], dim=-1)
        rows.append((100 * normalize(likeness, dim=-1)).softmax(-1))

    def combine(said):
        said = [each.float() for each in said]
        sums = [p.softmax(-1) @ r[: len(p)] for p, r in zip(said, rows, strict=True)]
        target = (sums[0] + sums[1]) / 2
        z = said[0].clone().requires_grad_()
        optimizer = torch.optim.AdamW([z], lr=0.15)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10, 0.15 / 4)
        for _ in range(5):
            optimizer.zero_grad()
            out = (z.softmax(-1) @ rows[0][: len(z)]).log()
            (kl_div(out, target, reduction="sum") / len(target)).backward()
            optimizer.step()
            schedule.step()
        return z.detach().softmax(-1)

    return combine


def by_bytes(model, p):
    """Probabilities of entries of the first member by their bytes."""
    named = {n: float(p[t]) for n, t in pieces(model).items()}
    return named | {b"": float(p[sorted(model.local.ends)].sum())}


def mapped(models, learnt, k):
    state = learnt.load()
    tokens, likeness = (torch.from_numpy(state.arrays[f"{n}.0"]) for n in ("tokens", "likeness"))

    def combine(said):
        cut = [each.masked_fill(each < each.topk(k).values[-1], -torch.inf) for each in said]
        mine, theirs = (each.softmax(-1) for each in cut)
        total = torch.zeros_like(mine)
        for token, p in enumerate(theirs.tolist()):
            parts = likeness[token].double()
            for to, part in zip(tokens[token].tolist(), parts.tolist(), strict=True):
                if to >= 0:
                    total[to] += p * part / float(parts.sum())
        return (mine + total / total.sum()) / 2

    return combine


def plainly(models, combine, question, count=8):
    """Write greedily without caches, up to the first near tie; text and probabilities."""
    ids = [model.prompt(question) for model in models]
    written, likely = b"", []
    for _ in range(count):
        named = combine([model.after(given) for model, given in zip(models, ids, strict=True)])
        (best, p), (_, second) = sorted(named.items(), key=lambda item: -item[1])[:2]
        if p - second < 1e-3 or not best:
            break
        written += best
        likely.append(p / sum(named.values()))
        ids = [
            [*given, *model.local.vocabulary.extend(best)]
            for model, given in zip(models, ids, strict=True)
        ]
    return written.decode(errors="ignore"), likely


def algorithm(way, models, learnt):
    """How one step's distributions are combined, written plainly."""
    if way == "edits":
        return edits(models)
    if way in ("topk", "all"):
        k = 10 if way == "topk" else 7
        return lambda said: topk(models, said, k, renormalize=way == "topk")
    run = dense(models) if way == "dense" else mapped(models, learnt, 20)
    return lambda said: by_bytes(models[0], run(said))


@pytest.mark.parametrize("way", ["topk", "all", "edits", "dense", "mapped"])
def test_equals_its_algorithm_written_plainly(way, models, fused, write, learnt):
    combine = algorithm(way, models, learnt)
    total = 0
    for question in QUESTIONS:
        expected, likely = plainly(models, combine, question)
        made = write(fused(way), question, max_tokens=8)
        assert made.text.startswith(expected)
        found = [math.exp(each) for each in made.logprobs[: len(likely)]]
        assert found == pytest.approx(likely, abs=2e-3)
        total += len(expected)
    assert total > 8


@pytest.mark.parametrize("way", ["topk", "all", "edits", "relative", "mapped"])
def test_batch_equals_single_and_streamed_equals_whole(way, engine, fused, write):
    heard = {}
    alone = []
    for question in QUESTIONS:
        parts = heard.setdefault(question, [])
        alone.append(write(fused(way), question, max_tokens=8, on_text=parts.append))
        assert "".join(parts) == alone[-1].text
    jobs = [Job(fused(way), ((("user", q),),), Sampling(max_tokens=8)) for q in QUESTIONS]
    together = [future.result(60) for future in [engine.generate(job) for job in jobs]]
    for one, other in zip(alone, together, strict=True):
        assert one.text == other.text
        assert one.logprobs == pytest.approx(
            other.logprobs, abs=1e-2 if way == "relative" else 1e-4
        )


@pytest.mark.parametrize("way", ["topk", "all", "edits", "relative", "mapped"])
def test_draws_are_as_likely_as_a_reading_says(way, engine, fused, write):
    """What was drawn step by step has the log-probabilities that reading it gives."""
    made = write(fused(way), QUESTIONS[0], max_tokens=6)
    score = ask_score(engine, fused(way), ((("user", QUESTIONS[0]),),), made.text).result(60)
    if score.tokens == tuple(token for token in made.tokens if token):
        written = made.logprobs[: len(score.tokens)]
        assert score.logprobs == pytest.approx(written, abs=1e-2 if way == "relative" else 1e-4)
    assert sum(score.logprobs) <= 0


@torch.inference_mode()
@pytest.mark.parametrize("name", ["topk", "relative", "edits", "union", "sharpened"])
def test_what_a_row_says_does_not_depend_on_who_is_asked_in_others(engine, zoo, name):
    members = zoo("general-1"), zoo("other"), zoo("general-2")
    options = (("of", UNION), ("count", 100)) if name == "sharpened" else ()
    fuse = TokenFuse(members, ("a", "b", "c"), align=Part(f"align.{name}", options))
    models = list(members)
    group = Group(fuse, dict(zip(models, engine._pool.get(models), strict=True)))
    dice = torch.Generator().manual_seed(0)
    widths = [slot.runner.model.width for slot in group.slots]
    logits = [3 * torch.randn(5, width, generator=dice) for width in widths]
    weights = [[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.2, 0.3, 0.5], [0.0, 1.0, 0.0], [0.0, 0.5, 0.5]]
    together = group.fuse(logits, weights).to_dense(len(group.space)).probabilities()
    for row, each in enumerate(weights):
        leads = group.root.align.leads
        own = [
            out[row : row + 1] if weight or (leads and not n) else None
            for n, (out, weight) in enumerate(zip(logits, each, strict=True))
        ]
        alone = group.fuse(own, [each]).to_dense(len(group.space)).probabilities()
        assert torch.allclose(together[row], alone[0], atol=1e-6)


def test_a_shut_gate_lets_the_first_member_say_all_it_says(members, write):
    shut = Part("gate.unsure", (("below", 1e-9),))
    how = {"temperature": 3.0, "max_tokens": 12, "seed": 2}
    narrow = Part("align.topk", (("k", 1),))
    for lazy in (True, False):
        made = [
            write(
                TokenFuse(members, ("a", "b"), align=align, gate=shut, lazy=lazy),
                QUESTIONS[0],
                **how,
            )
            for align in (narrow, UNION)
        ]
        assert made[0].text == made[1].text
        assert made[0].logprobs == pytest.approx(made[1].logprobs, abs=1e-4)
