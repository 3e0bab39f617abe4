"""The encoder-decoder model of the zoo, alone and beside a language model."""

import pytest

from composer import zoo
from composer.backends.zoo import Zoo
from composer.backends.zoo_seq2seq import ZooSeq2Seq
from composer.diagnostics import Mistakes
from composer.recipe import Recipe
from composer.values import Capability, ModelError

FUSE = """
    use "zoo.ens" (general, other)
    default generate(max_tokens = 8)
    model rewriter = zoo_seq2seq("rewriter")
"""


def test_its_card_is_that_of_its_files():
    model = ZooSeq2Seq(model="rewriter")
    assert zoo.translators() == ["rewriter"]
    card = model.card()
    assert card.architecture == "t5"
    assert card.vocabulary == Zoo(model="general-1").card().vocabulary
    assert Capability.NEXT in card.capabilities
    assert Capability.HIDDEN not in card.capabilities


def test_unknown_names_are_said():
    with pytest.raises(ModelError, match="unknown encoder-decoder model `rewritr`") as caught:
        _ = ZooSeq2Seq(model="rewritr").folder
    assert "rewriter" in caught.value.help
    with pytest.raises(ModelError, match="is an encoder-decoder model") as caught:
        _ = Zoo(model="rewriter").folder
    assert 'zoo_seq2seq("rewriter")' in caught.value.help


@pytest.mark.parametrize(
    "answer",
    [
        "token_fuse(general, rewriter)",
        "token_fuse(other, rewriter, align = union())",
        "token_fuse(general + 0.5 * (rewriter - general))",
        'token_fuse(general, prompt("""{{ query }}""") -> rewriter)',
        "byte_fuse(other, rewriter)",
        "[general, rewriter] -> rank(token_fuse(general, rewriter), by = likely()) -> best()",
    ],
)
def test_it_is_a_member_wherever_next_tokens_are_read(answer):
    with Recipe.load(f"{FUSE}\n{answer}").ready() as ensemble:
        result = ensemble("What is the plural of dash?")
    assert result.answer.strip()
    assert result.trace.usage["rewriter"].completion_tokens > 0


def test_a_fuse_of_it_alone_answers_as_its_own_client():
    answers = []
    for form in ("rewriter", "token_fuse(rewriter)"):
        with Recipe.load(f"{FUSE}\n{form}").ready() as ensemble:
            answers.append(ensemble("What is the plural of dash?"))
    assert answers[0].answer == answers[1].answer
    assert answers[0].confidence == pytest.approx(answers[1].confidence, abs=1e-4)


@pytest.mark.parametrize(
    "answer",
    [
        "span_fuse(general, rewriter)",
        "handoff(general, rewriter)",
        "token_fuse(general, rewriter, weigh = perplexity())",
    ],
)
def test_what_needs_more_than_next_tokens_is_refused(answer):
    with pytest.raises(Mistakes, match="E302"):
        Recipe.load(f"{FUSE}\n{answer}").check()
