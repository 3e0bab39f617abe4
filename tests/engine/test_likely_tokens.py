"""What a model or a fuse says at each token of a text, against transformers."""

import pytest
import torch

from composer import zoo
from composer.backends.zoo import Zoo
from composer.engine.engine import Engine
from composer.engine.sessions.likely_tokens import Document, likely_tokens
from composer.engine.top_tokens import END, NONE
from composer.methods.align.shared import Shared
from composer.methods.align.union import Union
from composer.methods.combine import Mean
from composer.specs import Declared, TokenFuse
from composer.values import Query

QUESTION = Document(Query.of("Add 17 and 25."), " 42", end=True)


def of_zoo(name):
    return Declared(name, Zoo(model=name))


def fuse(*names, align):
    return TokenFuse(tuple(map(of_zoo, names)), names, combine=Mean(), align=align)


@pytest.fixture(scope="module")
def engine():
    with Engine() as engine:
        yield engine


@pytest.fixture
def read(engine):
    def say(model, document, top=400, temperature=1.0):
        future = engine.run(model, lambda g: likely_tokens(g, model, document, top, temperature))
        return future.result()

    return say


def distributions(name, ids, start):
    from transformers import AutoModelForCausalLM

    module = AutoModelForCausalLM.from_pretrained(zoo.folder(name), dtype=torch.float32)
    with torch.no_grad():
        return module(torch.tensor([ids])).logits[0, start:]


def ids_of(name):
    from transformers import AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(zoo.folder(name))
    prompt = tokens("Q: Add 17 and 25.\nA:").input_ids
    return prompt, tokens(" 42", add_special_tokens=False).input_ids, tokens.eos_token_id


def test_distributions_are_those_of_transformers(read):
    prompt, answer, eos = ids_of("maths")
    heard = read(of_zoo("maths"), QUESTION)
    assert list(heard.entries) == answer
    assert b"".join(heard.pieces) == b" 42"
    logits = distributions("maths", [*prompt, *answer], len(prompt) - 1)
    for place, wanted in enumerate(logits.softmax(-1)):
        ids, own = heard.distributions.ids[place], heard.distributions.probabilities[place]
        known = torch.where(ids == END, eos, ids).clamp(min=0).long()
        assert torch.allclose(own, wanted[known] * (ids != NONE), atol=1e-5)
    targets = torch.tensor([*answer, eos])
    lost = torch.nn.functional.cross_entropy(logits, targets, reduction="none")
    assert torch.allclose(heard.distributions.nats, lost, atol=1e-4)


def test_what_is_not_among_the_likeliest_is_the_rest(read):
    whole, cut = (read(of_zoo("maths"), QUESTION, top) for top in (400, 3))
    assert torch.equal(cut.distributions.ids, whole.distributions.ids[:, :3])
    assert torch.allclose(
        cut.distributions.rest, 1 - cut.distributions.probabilities.sum(-1), atol=1e-6
    )
    assert torch.equal(cut.distributions.nats, whole.distributions.nats)


def test_a_temperature_flattens(read):
    prompt, answer, _ = ids_of("maths")
    warm = read(of_zoo("maths"), QUESTION, 1, 2.0)
    logits = distributions("maths", [*prompt, *answer], len(prompt) - 1)
    assert torch.allclose(
        warm.distributions.probabilities[:, 0], (logits / 2).softmax(-1).amax(-1), atol=1e-5
    )


def test_a_fuse_says_what_its_members_say_together(read):
    together = read(fuse("maths", "text", align=Shared()), QUESTION)
    prompt, answer, _ = ids_of("maths")
    mean = sum(
        distributions(name, [*prompt, *answer], len(prompt) - 1).softmax(-1) / 2
        for name in ("maths", "text")
    )
    best = together.distributions.probabilities[:, 0]
    assert torch.allclose(best, mean.amax(-1), atol=1e-5)


def test_a_fuse_of_two_vocabularies_says_something_of_each_place(read):
    heard = read(fuse("maths", "other", align=Union()), QUESTION, 8)
    assert len(heard.distributions) == len(heard.entries) + 1
    assert torch.allclose(
        heard.distributions.probabilities.sum(-1) + heard.distributions.rest,
        torch.ones(1),
        atol=1e-4,
    )


def test_the_first_token_of_a_text_alone_has_no_distribution_without_bos(read):
    heard = read(of_zoo("maths"), Document(None, "Add 17 and 25.", end=False), 4)
    model_has_bos = heard.before == 0
    assert len(heard.distributions) == len(heard.entries) - heard.before
    assert b"".join(heard.pieces).endswith(b"Add 17 and 25.")
    assert model_has_bos or heard.entries[0] == NONE


def test_texts_that_are_read_side_by_side_are_read_alike(engine):
    model = of_zoo("maths")
    sessions = [
        lambda g, n=n: likely_tokens(
            g, model, Document(Query.of(f"Add {n} and 25."), " 42", end=True), 4, 1.0
        )
        for n in range(8)
    ]
    heard = [
        [future.result().distributions.probabilities for future in engine.run_all(model, sessions)]
        for _ in range(2)
    ]
    assert all(torch.equal(one, other) for one, other in zip(*heard, strict=True))
