"""Details of tokens, raw texts and token ids over the wire: those of the model in this process."""

import asyncio
from dataclasses import replace

import pytest
from small_server import serving

import composer
from composer import zoo
from composer.backends.endpoint import Endpoint
from composer.backends.zoo import Zoo
from composer.engine.engine import Engine
from composer.engine.weights.local import load
from composer.specs import Declared, missing_detail
from composer.values import Generate, ModelError, Query, Sampling, ScoreTexts
from composer.values.details import TokenDetail
from composer.values.options import AnswerOptions

FOLDER = zoo.folder("general-1")
MODEL = Declared("A", Zoo(model="general-1"))
QUESTION = Query.of("What is 17 plus 25?")
RAW = replace(Query.of("What is 17 plus 25? 4"), raw=True)
CHAT = {"chat": True, "logprobs": True}
COMPLETIONS = {"completions": True, "top": 5, "chosen": 8, "prompt_ids": True, "echo": True}


@pytest.fixture(scope="module")
def server():
    with serving(FOLDER) as url:
        yield url


@pytest.fixture(scope="module")
def engine():
    with Engine() as made:
        yield made


@pytest.fixture(scope="module")
def tokens():
    return load(MODEL)


def declared(url, api, *, tokenizer=True, **abilities):
    stated = {**(CHAT if api == "chat" else COMPLETIONS), **abilities}
    folder = str(FOLDER) if tokenizer else None
    declaration = Endpoint(
        model="general-1",
        url=url,
        api=api,
        probe=False,
        retries=0,
        tokenizer=folder,
        abilities=tuple(stated.items()),
    )
    return Declared("A", declaration)


def put(model, request, on_text=None):
    async def run():
        client = await model.declaration.open("A")
        try:
            if isinstance(request, ScoreTexts):
                return (await client.score(replace(request, model=model)))[0]
            return (await client.generate(replace(request, model=model), on_text)).draws[0]
        finally:
            await client.close()

    return asyncio.run(run())


def pairs(choices):
    return [(each.chosen.piece, [(t.piece, t.id) for t in each.top]) for each in choices]


def numbers(choices):
    return [t.logprob for each in choices for t in (each.chosen, *each.top)]


@pytest.mark.parametrize("api", ["chat", "completions"])
@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("detail", [TokenDetail(top=4), TokenDetail(ids=(100, 101, 102))])
def test_a_server_tells_what_the_model_tells_here(server, engine, api, streams, detail):
    if detail.ids and api == "chat":
        return
    told, texts = [], []
    request = Generate(MODEL, QUESTION, Sampling(max_tokens=6), seeds=(0,), detail=detail)
    alone = engine.generate(request).result(60)
    watched = replace(request, on_token=lambda choice: told.append((len(texts), choice)))
    draw = put(
        declared(server, api, ids=api == "completions"), watched, texts.append if streams else None
    )
    assert pairs(draw.choices) == pairs(alone.choices)
    assert numbers(draw.choices) == pytest.approx(numbers(alone.choices), abs=1e-3)
    assert [choice.chosen.logprob for choice in draw.choices] == list(draw.logprobs)
    assert [choice for _, choice in told] == list(draw.choices)
    if streams:
        assert [pieces for pieces, _ in told][:3] == [0, 1, 2]


def test_without_its_tokenizer_tokens_have_no_ids(server):
    request = Generate(MODEL, QUESTION, Sampling(max_tokens=3), seeds=(0,), detail=TokenDetail(2))
    draw = put(declared(server, "chat", tokenizer=False), request)
    assert [t.id for c in draw.choices for t in (c.chosen, *c.top)] == [None] * 3 * len(draw.tokens)
    assert put(declared(server, "chat", logprobs=False), request).choices == ()


def test_what_a_server_does_not_tell_is_known_before(server):
    chat, plain = declared(server, "chat"), declared(server, "completions")
    assert missing_detail(chat, TokenDetail(top=20)) == ""
    assert missing_detail(chat, TokenDetail(top=21)) == "`A` tells 20 likeliest tokens at most"
    assert missing_detail(chat, TokenDetail(ids=(1,))) == "`A` tells 0 chosen ids at most"
    assert missing_detail(plain, TokenDetail(ids=(1, 2))) == ""
    assert "only one can be had" in missing_detail(plain, TokenDetail(top=5, ids=(1, 2)))
    assert "5 likeliest tokens" in missing_detail(plain, TokenDetail(top=6))
    silent = declared(server, "chat", logprobs=False)
    assert "tells no log-probabilities" in missing_detail(silent, TokenDetail())


@pytest.mark.parametrize(("api", "given"), [("chat", {}), ("completions", {"prompt_ids": False})])
def test_raw_texts_and_ids_are_completions(server, engine, tokens, given, api):
    model = declared(server, api, **(COMPLETIONS | given)) if api == "chat" else None
    model = model or declared(server, api, **given)
    letters = [tokens.vocabulary.ids[bytes([byte])] for byte in RAW.text.encode()]
    queries = [RAW, tokens.raw_query(tokens.raw(RAW.text))]
    queries += [] if "prompt_ids" in given else [tokens.raw_query(letters)]
    for query in queries:
        request = Generate(MODEL, query, Sampling(max_tokens=4), seeds=(0,))
        assert put(model, request).tokens == engine.generate(request).result(60).tokens
        scored = ScoreTexts(MODEL, query, None, detail=TokenDetail(top=2))
        here, there = engine.perplexity(scored).result(60), put(model, scored)
        assert there.tokens == here.tokens
        assert there.logprobs == pytest.approx(here.logprobs, abs=1e-3)
        assert [t[::2] for t in there.before] == [t[::2] for t in here.before]
        assert pairs(there.choices) == pairs(here.choices)
        assert [choice.chosen.logprob for choice in there.choices] == list(there.logprobs)


def test_a_server_that_only_chats_refuses_a_raw_text(server, tokens):
    chat = declared(server, "chat")
    request = Generate(MODEL, RAW, Sampling(max_tokens=4), seeds=(0,))
    with pytest.raises(ModelError, match="has no `/completions`") as error:
        put(chat, request)
    assert error.value.code == "E302"
    unnamed = declared(server, "completions", tokenizer=False)
    assert put(unnamed, request).text == put(declared(server, "completions"), request).text
    special = tokens.raw_query([*tokens.raw(RAW.text), *tokens.ends])
    with pytest.raises(ModelError, match="its tokenizer is not known"):
        put(unnamed, replace(request, query=special))


def test_spans_of_a_server_have_details(server):
    options = f'url = "{server}", tokenizer = "{FOLDER}", api = completions, probe = false'
    options += ", abilities = [completions: true, echo: true, prompt_ids: true, top: 5]"
    recipe = composer.load(
        f'model A = endpoint("general-1", {options})\nmodel B = zoo("maths")\n'
        "let fused = span_fuse(A, B)\nfused(max_tokens = 6)"
    )
    wanted = AnswerOptions(detail=TokenDetail(top=2, members=2))
    with recipe.ready() as ensemble:
        text = ensemble("What is 17 plus 25?", options=wanted).text
    assert len(text.choices) == len(text.tokens) > 1
    for choice in text.choices:
        assert sorted(member.weight for member in choice.members) == [0.0, 1.0]
