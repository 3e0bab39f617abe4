"""Encoder-decoder models: a tiny T5 that is made here."""

import math

import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from composer import zoo
from composer.backends.encoder_decoder import EncoderDecoder
from composer.backends.seq2seq import Seq2Seq
from composer.diagnostics import Mistakes
from composer.methods import TEMPLATES
from composer.recipe import Recipe
from composer.values import Candidates, Query, Sampling, Text

SPECIAL = ["<pad>", "</s>", "<unk>", *(f"<extra_id_{n}>" for n in range(4))]
LETTERS = [f"w{n}" for n in range(12)]
ASKED = (
    "Instruction Input Candidate Summarize candidates into a better one for the given instruction"
)
MARKS = [*ASKED.split(), ":", "...", ".", "0", "1", "2", "Q", "</", "s", ">", "<"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A T5 with random weights, so that its answers make no sense, but are its own."""
    path = tmp_path_factory.mktemp("t5")
    words = {word: at for at, word in enumerate([*SPECIAL, *LETTERS, *MARKS])}
    tokens = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokens.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation("contiguous")]
    )
    tokens.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokens,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=SPECIAL[3:],
    ).save_pretrained(path)
    torch.manual_seed(0)
    model = transformers.T5ForConditionalGeneration(
        transformers.T5Config(
            vocab_size=len(words), d_model=32, d_kv=16, d_ff=64, num_layers=1, num_heads=2,
            dropout_rate=0.0, decoder_start_token_id=0, eos_token_id=1, pad_token_id=0,
        )
    )  # fmt: skip
    with torch.no_grad():  # so that it has something to say, and prompts matter
        for parameter in model.parameters():
            parameter.normal_(std=0.7)
    model.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def loaded(folder):
    return EncoderDecoder(Seq2Seq(path=str(folder)), "F")


def test_an_answer_has_tokens_and_is_as_sure_as_they_say(loaded):
    (answer,) = loaded.answers([("w3 w3", Sampling(max_tokens=5))])
    assert len(answer.tokens) == len(answer.logprobs) == answer.usage["F"].completion_tokens
    assert "".join(answer.tokens) == answer.text
    assert answer.confidence == pytest.approx(math.exp(sum(answer.logprobs) / len(answer.tokens)))
    assert answer.usage["F"].prompt_tokens == 3


def test_a_greedy_answer_is_that_of_transformers(loaded):
    prompts = ["w1 w1", "w5 w2 w7 w7", "w9"]
    answers = loaded.answers([(prompt, Sampling(max_tokens=6)) for prompt in prompts])
    for prompt, answer in zip(prompts, answers, strict=True):
        ids = loaded.tokens(prompt, return_tensors="pt").input_ids
        (theirs,) = loaded.model.generate(ids, max_new_tokens=6, do_sample=False)
        assert answer.text == loaded.tokens.decode(theirs, skip_special_tokens=True)


def test_an_answer_does_not_depend_on_others_in_its_batch(loaded):
    how = [Sampling(temperature=2.0, top_p=0.9, max_tokens=5, seed=seed) for seed in range(6)]
    jobs = [("w1 w2 " * (1 + n % 3), each) for n, each in enumerate(how)]
    together = loaded.answers(jobs)
    assert [each.text for each in together] == [loaded.answers([job])[0].text for job in jobs]
    assert len({each.text for each in loaded.answers([("w1", each) for each in how])}) > 1


def test_answers_end_at_stop_strings_and_limits(loaded):
    (whole,) = loaded.answers([("w3 w3", Sampling(max_tokens=6))])
    (cut,) = loaded.answers([("w3 w3", Sampling(max_tokens=2))])
    assert (cut.text, cut.finish) == ("".join(whole.tokens[:2]), "length")
    second = whole.tokens[1]
    (stopped,) = loaded.answers([("w3 w3", Sampling(stop=(second,)))])
    assert (stopped.text, stopped.finish) == (whole.text[: whole.text.find(second)], "stop")


def test_its_score_of_an_answer_is_that_of_writing_it(loaded):
    (answer,) = loaded.answers([("w4 w4", Sampling(max_tokens=4))])
    own, other, none = loaded.scores([("w4 w4", answer.text), ("w4 w4", "w5 w4"), ("w4", "")])
    assert own.logprobs == pytest.approx(answer.logprobs, abs=1e-4)
    assert len(other.logprobs) == 2
    assert none.logprobs == ()


def test_a_prompt_is_cut_and_says_so(folder):
    short = EncoderDecoder(Seq2Seq(path=str(folder), max_length=4), "F")
    (answer,) = short.answers([("w3 w3 w3 w3 w3 w3", Sampling())])
    assert answer.facts == {"cut": 3}


def test_text_spells_no_special_tokens(loaded):
    ids, _ = loaded._read("w1 </s> <extra_id_0>")
    assert ids.count(1) == 1
    assert ids[-1] == 1
    assert 3 not in ids


def test_the_fuser_reads_the_format_of_its_authors(folder):
    fuser = EncoderDecoder(Seq2Seq(path=str(folder), format="genfuser", candidate_tokens=2), "F")
    query = Query.of("w0 w1 </s>")
    texts = (Text(query, "w1 w2 w3 w4", "A"), Text(query, "w5</s>", "B"))
    prompt = TEMPLATES["genfuser"].render(Candidates(query, texts))
    assert prompt == (
        "Instruction: w0 w1  </s>Input: </s>Candidate 0: <extra_id_0>:w1 w2 w3 w4</s>Candidate 1: "
        "<extra_id_1>:w5 </s>Summarize candidates into a better one for the given instruction:"
    )
    ids, cut = fuser._read(prompt)
    assert cut == 0
    assert fuser.tokens.decode(ids) == (
        "Instruction : w0 w1 </s> Input : </s> Candidate 0 : <extra_id_0> : w1 w2 ... </s> "
        "Candidate 1 : <extra_id_1> : w5 </s> Summarize candidates into a better one for the given "
        "instruction :"
    )


@pytest.fixture
def recipe(folder):
    def make(text, **options):
        options = "".join(f", {name} = {value}" for name, value in options.items())
        return Recipe.load(f"""
            model F = seq2seq("{folder.as_posix()}"{options})
            model A = fake(says = "w2 w2")
            model B = fake(says = "w7 w8")
            {text}
        """)

    return make


def test_it_regenerates_in_a_recipe(recipe, loaded):
    made = recipe('A -> prompt("""{{ answer }}""") -> F(max_tokens = 4)')
    (model,) = [each for each in made.plan().models if each.name == "F"]
    assert model.parameters > 10_000
    with made.ready() as ensemble:
        result = ensemble("Q")
    (answer,) = loaded.answers([("w2 w2", Sampling(max_tokens=4))])
    assert (result.answer, result.confidence) == (answer.text, pytest.approx(answer.confidence))
    assert result.trace.usage["F"].prompt_tokens == 3


def test_it_judges_by_likelihood_and_fuses_candidates(recipe, loaded):
    text = "[A, B] -> rank(F, by = likely())"
    with recipe(f"{text} -> best()").ready() as ensemble:
        best = ensemble("w1").answer
    scores = loaded.scores([("w1", "w2 w2"), ("w1", "w7 w8")])
    assert best == ("w2 w2" if scores[0].mean > scores[1].mean else "w7 w8")
    text += " -> regenerate(F, genfuser, max_tokens = 3)"
    with recipe(text, format="genfuser").ready() as ensemble:
        assert ensemble("w2 w2").trace.usage["F"].prompt_tokens > 30


def test_what_it_cannot_do_is_said(recipe):
    with pytest.raises(Mistakes, match="E407"):
        recipe("F(repetition_penalty = 1.2)").check()
    with pytest.raises(Mistakes, match="encoder-decoder"):
        recipe("span_fuse(F, A)").check()
    with pytest.raises(Mistakes, match="no encoder-decoder model"):
        Recipe.load(f'model M = seq2seq("{zoo.folder("maths").as_posix()}")\nM').check()


def test_a_merge_of_two_answers_as_their_mean(folder):
    alone = f'model S = seq2seq("{folder.as_posix()}")\nS'
    merged = f'model S = seq2seq("{folder.as_posix()}")\nmerge(S, S)'
    answers = []
    for text in (alone, merged):
        with Recipe.load(f"default generate(max_tokens = 8)\n{text}").ready() as ensemble:
            answers.append(ensemble("What is 2 plus 3?").answer)
    assert answers[0] == answers[1]
