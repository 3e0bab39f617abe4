"""Scores over the wire are those of the model, and never those of a neighbouring token."""

import asyncio

import pytest
from scripted_server import reply, scripted
from small_server import serving
from tokenizers import Tokenizer
from tokenizers.models import BPE

from composer import zoo
from composer.backends.endpoint import Endpoint
from composer.backends.hf import HF
from composer.engine.engine import Engine
from composer.specs import Declared
from composer.values import ModelError, Query, ScoreTexts

FOLDER = zoo.folder("general-1")
QUESTION = Query.of("What is 17 plus 25?")
TEXTS = (" 42", "", "forty-two\n", " 17 plus é 😀")
GIVES = {"completions": True, "top": 5, "echo": True, "echo_only": True, "ids": True}
GIVES |= {"prompt_ids": True, "prompts": 8, "usage": True}


@pytest.fixture(scope="module")
def server():
    with serving(FOLDER) as url:
        yield url


@pytest.fixture(scope="module")
def engine():
    with Engine() as running:
        yield running


async def scoring(url, request, abilities=GIVES, tokenizer=str(FOLDER), **options):
    declaration = Endpoint(
        model="general-1",
        url=url,
        probe=False,
        retries=0,
        tokenizer=tokenizer,
        abilities=tuple(abilities.items()),
        **options,
    )
    client = await declaration.open("A")
    try:
        return await client.score(ScoreTexts(Declared("A", declaration), *request))
    except ModelError as error:
        return error
    finally:
        await client.close()


def scored(url, *request, **options):
    return asyncio.run(scoring(url, request, **options))


def local(engine, query, texts, prefix="", template="auto"):
    model = Declared("A", HF(path=str(FOLDER), template=template))
    if texts is None:
        return (engine.perplexity(ScoreTexts(model, query, None)).result(),)
    job = ScoreTexts(model, query, texts, prefix)
    return tuple(engine.score(job, text).result() for text in texts)


def alike(ours, theirs):
    assert [each.tokens for each in ours] == [each.tokens for each in theirs]
    for one, two in zip(ours, theirs, strict=True):
        assert one.logprobs == pytest.approx(two.logprobs, abs=1e-4)


@pytest.mark.parametrize(
    "lesser",
    [{}, {"echo_only": False}, {"ids": False}, {"prompt_ids": False}, {"prompts": 1}],
    ids=str,
)
def test_texts_score_as_they_do_in_the_engine(server, engine, lesser):
    for request in ((QUESTION, TEXTS), (QUESTION, TEXTS[:1], "It is"), (None, TEXTS[2:])):
        alike(scored(server, *request, abilities=GIVES | lesser), local(engine, *request))


def test_a_prompt_is_scored_as_the_template_writes_it(server, engine):
    alike(scored(server, QUESTION, None), local(engine, QUESTION, None))


def test_without_a_tokenizer_the_letters_of_the_tokens_find_the_boundary(server, engine):
    plain = {"abilities": GIVES | {"ids": False}, "tokenizer": None, "api": "completions"}
    ours = scored(server, QUESTION, (" 42",), "", **plain)
    alike(ours, local(engine, QUESTION, (" 42",), template="plain"))
    alike(scored(server, QUESTION, None, "", **plain), local(engine, QUESTION, None, "", "plain"))


def test_an_answer_to_a_chat_that_the_server_writes_is_not_scored():
    gives = GIVES | {"chat": True}
    error = scored("http://127.0.0.1:9/v1", QUESTION, TEXTS, abilities=gives, tokenizer=None)
    assert (error.code, "writes the prompts of chats itself" in error.message) == ("E302", True)


def echoed(*tokens, values=None, finish="length"):
    values = values or [None, *[-1.0 - n for n in range(1, len(tokens))]]
    logprobs = {"tokens": list(tokens), "token_logprobs": values, "text_offset": [0] * len(tokens)}
    return reply({"choices": [{"text": "", "finish_reason": finish, "logprobs": logprobs}]})


async def by_script(script, *request, **options):
    async with scripted(script) as server:
        return await scoring(server.url, request, tokenizer=None, api="completions", **options)


@pytest.mark.parametrize(
    ("names", "logprobs"),
    [
        (("ab", "cd", "ef", "gh"), (-2.0, -3.0)),
        ((" ab", "cd", "ef"), (-2.0, -3.0)),
        (("a", "b", "cdef", "gh"), (-3.0,)),
    ],
)
def test_what_was_written_behind_the_text_is_not_scored(names, logprobs):
    query, gives = Query.of("ab"), GIVES | {"echo_only": False}
    (score,) = asyncio.run(by_script(echoed(*names), query, ("cdef",), abilities=gives))
    assert score.logprobs == logprobs


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (echoed("a", "bcd", "ef"), "E302"),
        (echoed("ab", "c?", "ef"), "E302"),
        (echoed("ab", "cd"), "E302"),
        (echoed("ab", "cd", "ef", values=[None, -1.0, None]), "E723"),
    ],
    ids=["a token across the boundary", "other letters", "too few", "no value"],
)
def test_tokens_that_are_not_those_of_the_text_are_an_error(script, code):
    error = asyncio.run(by_script(script, Query.of("ab"), ("cdef",)))
    assert error.code == code


def test_a_server_that_cuts_a_text_otherwise_is_an_error(server):
    with serving(zoo.folder("other"), name="general-1") as other:
        error = scored(other, QUESTION, TEXTS, abilities=GIVES | {"prompt_ids": False})
    assert error.code == "E302"


def test_a_server_that_leaves_out_the_beginning_has_no_score_for_the_first_token(tmp_path):
    tokenizer = Tokenizer(BPE({"<s>": 0, "a": 1, "b": 2, "c": 3}, []))
    tokenizer.add_special_tokens(["<s>"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text('{"bos_token": "<s>"}')

    async def ask(script, *request):
        async with scripted(script) as server:
            gives = GIVES | {"ids": False, "echo_only": False}
            return await scoring(server.url, request, gives, str(tmp_path))

    whole = echoed("<s>", "a", "b", "c", "x")
    lesser = echoed("a", "b", "c", "x")
    (first,) = asyncio.run(ask(whole, None, ("abc",)))
    (second,) = asyncio.run(ask(lesser, None, ("abc",)))
    assert (first.tokens, first.logprobs) == (("a", "b", "c"), (-2.0, -3.0, -4.0))
    assert (second.tokens, second.logprobs) == (("b", "c"), (-2.0, -3.0))
