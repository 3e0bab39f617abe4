"""Encoder-decoder models as members: what they give beside others is what they give alone."""

import pytest
import torch
from fusing import Job, TokenFuse, ask_score
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    BartConfig,
    MarianConfig,
    T5Config,
)

from composer import zoo
from composer.backends.seq2seq import Seq2Seq
from composer.engine.rows.encoder_decoder import EncoderDecoderRows
from composer.engine.rows.row import Feed
from composer.engine.weights.encoder_decoder import START
from composer.engine.weights.local import load
from composer.methods.template import Template
from composer.specs import Declared, Prompted
from composer.values import ModelError, Sampling

WORDS = {"vocab_size": 384, "pad_token_id": 0, "eos_token_id": 1}
LAYERS = {"encoder_layers": 2, "decoder_layers": 2}
LAYERS |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
LAYERS |= {"encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "d_model": 32}
T5 = {"d_model": 32, "d_kv": 16, "d_ff": 48, "num_layers": 2, "num_heads": 2}
KINDS = {
    "t5": T5Config(**WORDS, **T5, decoder_start_token_id=0),
    "bart": BartConfig(
        **WORDS,
        **LAYERS,
        bos_token_id=2,
        decoder_start_token_id=1,
        forced_bos_token_id=2,
        max_position_embeddings=64,
    ),
    "marian": MarianConfig(
        **WORDS, **LAYERS, decoder_start_token_id=0, max_position_embeddings=64, bos_token_id=2
    ),
}
QUESTIONS = ["What is 12 plus 30?", "Add 5 and 6.", "Reverse the word star."]


@pytest.fixture(scope="module", params=KINDS)
def member(request, tmp_path_factory):
    """A random model of a type, saved with the zoo's tokenizer."""
    folder = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(0)
    module = AutoModelForSeq2SeqLM.from_config(KINDS[request.param])
    for name, tensor in module.named_parameters():
        torch.nn.init.normal_(tensor, 1.0 if "norm" in name else 0.0, 0.3)
    if request.param == "bart":
        module.generation_config.forced_bos_token_id = 2
    module.save_pretrained(folder)
    AutoTokenizer.from_pretrained(zoo.folder("general-1")).save_pretrained(folder)
    return Declared(request.param, Seq2Seq(path=str(folder)))


@pytest.fixture(scope="module")
def alone(member):
    """The same model in transformers: log-probabilities after an answer's first tokens."""
    module = AutoModelForSeq2SeqLM.from_pretrained(member.folder, dtype=torch.float32).eval()
    encode = AutoTokenizer.from_pretrained(member.folder)
    begin = [module.config.decoder_start_token_id]
    begin += [2] if member.name == "bart" else []

    @torch.inference_mode()
    def logprobs(question, written=()):
        ids = torch.tensor([encode(question)["input_ids"]])
        logits = module(ids, decoder_input_ids=torch.tensor([[*begin, *written]])).logits[0]
        return logits[len(begin) - 1 :].log_softmax(-1)

    return logprobs


@pytest.fixture(scope="module")
def language():
    """A language model of the zoo, without the engine: log-probabilities of the next token."""
    folder = zoo.folder("general-1")
    module = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    encode = AutoTokenizer.from_pretrained(folder)

    @torch.inference_mode()
    def logprobs(question, written):
        said = [{"role": "user", "content": question}]
        ids = encode.apply_chat_template(said, add_generation_prompt=True)["input_ids"]
        return module(torch.tensor([[*ids, *written]])).logits[0, -1].log_softmax(-1)

    return logprobs


def greedy(distribution, count):
    ids = []
    while len(ids) < count and 1 not in ids:
        ids.append(int(distribution(ids).argmax()))
    return ids


def asked(engine, model, questions, count=6, **how):
    sampling = Sampling(max_tokens=count, **how)
    jobs = [Job(model, ((("user", each),),), sampling) for each in questions]
    return [future.result(60) for future in [engine.generate(job) for job in jobs]]


def test_a_fuse_is_the_weighted_mean_of_both_distributions(member, alone, language, engine, zoo):
    """p = 0.6 p_LM + 0.4 p_MT at each token, for one prompt and for several at once."""
    fuse = TokenFuse((zoo("general-1"), member), ("LM", "MT"), (0.6, 0.4))
    together = asked(engine, fuse, QUESTIONS)
    for question, made in zip(QUESTIONS, together, strict=True):

        def mean(ids, question=question):
            translated = alone(question, ids)[-1].exp()
            return 0.6 * language(question, ids).exp() + 0.4 * translated

        ids = greedy(mean, 6)
        wanted = [float(mean(ids[:n])[each].log()) for n, each in enumerate(ids)]
        assert made.logprobs == pytest.approx(wanted, abs=1e-3)
        (single,) = asked(engine, fuse, [question])
        assert single.text == made.text
        assert single.logprobs == pytest.approx(made.logprobs, abs=1e-4)


def test_each_member_reads_its_own_prompt(member, alone, language, engine, zoo):
    own = Prompted(member, Template(text="Say: {{ query }}"))
    fuse = TokenFuse((zoo("general-1"), own), ("LM", "MT"), (0.5, 0.5))
    (made,) = asked(engine, fuse, QUESTIONS[:1])

    def mean(ids):
        said = alone(f"Say: {QUESTIONS[0]}", ids)[-1].exp()
        return (language(QUESTIONS[0], ids).exp() + said) / 2

    ids = greedy(mean, 6)
    wanted = [float(mean(ids[:n])[each].log()) for n, each in enumerate(ids)]
    assert made.logprobs == pytest.approx(wanted, abs=1e-3)


def test_a_fuse_of_it_alone_writes_and_scores_what_it_does(member, alone, engine):
    fuse = TokenFuse((member,), ("MT",))
    (made,) = asked(engine, fuse, QUESTIONS[:1])
    ids = greedy(lambda ids: alone(QUESTIONS[0], ids)[-1], 6)
    wanted = [float(alone(QUESTIONS[0], ids[:n])[-1, each]) for n, each in enumerate(ids)]
    assert made.logprobs == pytest.approx(wanted, abs=1e-3)
    assert asked(engine, fuse, QUESTIONS[:1], 2)[0].tokens == made.tokens[:2]
    score = ask_score(engine, fuse, ((("user", QUESTIONS[1]),),), " 42").result(60)
    text = AutoTokenizer.from_pretrained(member.folder)(" 42")["input_ids"]
    said = alone(QUESTIONS[1], text)
    told = [float(said[at, each]) for at, each in enumerate(text)]
    assert score.logprobs == pytest.approx(told, abs=1e-3)


def test_rows_are_cropped_forked_and_taken_over(member, alone):
    """Whatever a row held before, its logits are those of its tokens now."""
    model = load(member)
    rows = EncoderDecoderRows(model)
    prompts = [model.raw(question) for question in QUESTIONS]
    begun = [rows.allocate() for _ in prompts]
    with torch.inference_mode():
        rows.forward([Feed(begun[0], prompts[0][:4], ())])
        rows.forward([Feed(begun[1], [*prompts[1], 7, 8, 9], ())])
        rows.crop(begun[1], len(prompts[1]) + 1)
        feeds = [
            Feed(begun[0], [*prompts[0][4:], 7], [len(prompts[0]) - 4]),
            Feed(begun[1], [11], [0]),
            Feed(begun[2], prompts[2], [len(prompts[2]) - 1]),
        ]
        logits = rows.forward(feeds).log_softmax(-1)
        taken = rows.allocate()
        rows.load(taken, rows.save(begun[1]), len(prompts[1]))
        twin, other = rows.fork(begun[0]), rows.allocate()
        rows.copy(begun[0], other, len(prompts[0]) - 1)
        assert other.length == len(prompts[0]) - 1
        again = rows.forward(
            [Feed(taken, [5], [0]), Feed(twin, [5], [0]), Feed(other, prompts[0][-1:], [0])]
        ).log_softmax(-1)
    for found, wanted in (
        (logits[0], alone(QUESTIONS[0], [7])[-1]),
        (logits[1], alone(QUESTIONS[1], [7, 11])[-1]),
        (logits[2], alone(QUESTIONS[2])[-1]),
        (again[0], alone(QUESTIONS[1], [5])[-1]),
        (again[1], alone(QUESTIONS[0], [7, 5])[-1]),
        (again[2], alone(QUESTIONS[0])[-1]),
    ):
        assert torch.allclose(found, wanted, atol=1e-4)


def test_its_prompt_has_no_probabilities(member):
    model = load(member)
    rows = EncoderDecoderRows(model)
    with pytest.raises(ModelError, match="gives no probabilities to its prompt") as caught:
        rows.forward([Feed(rows.allocate(), model.raw("Add 5."), [1])])
    assert caught.value.code == "E302"


def test_context_is_counted_for_prompt_and_answer_apart(member):
    model = load(member)
    assert model.context == (None if member.name == "t5" else 64)
    assert model.used([*range(9), START, *range(4)]) == 9
    assert model.used([*range(3), START, *range(9)]) == 10
