"""Members behind servers are fused token by token, as the same models in this process are."""

from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

import composer
from composer.backends.endpoint.chain import HEADER
from composer.backends.endpoint.chain import serving as answering
from composer.run import Failure
from composer.values.details import TokenDetail
from composer.values.options import AnswerOptions

QUERIES = ("What is 17 plus 25?", "Reverse the word star.")
MODELS = {"A": "general-1", "B": "maths", "C": "text"}
FEW = "default generate(max_tokens = 8)\n"


def texts(results):
    return [result.answer for result in results]


def declared(declare, **options):
    return FEW + "".join(declare(name, model, **options) for name, model in MODELS.items())


@pytest.mark.parametrize(
    "fuse",
    [
        "token_fuse(A, B, C)",
        "token_fuse(A, B, C, weights = [3, 1, 2], combine = logs())",
        "token_fuse(A, B, C, combine = minimum())",
        "token_fuse(A, B, C, weigh = agreeing())",
        "token_fuse(A, B, C, gate = unsure())",
        "token_fuse(A, B, C, draft = safe())",
        "token_fuse(A, B, C, draft = speculative(tokens = 3))",
        "token_fuse(A, token_fuse(B, C))",
        "token_fuse(A + 0.5 * (B - C))",
    ],
)
def test_by_chosen_ids_answers_are_those_of_the_same_models_here(remote, local, answers, fuse):
    here = answers(declared(local) + fuse, *QUERIES)
    there = answers(declared(remote) + fuse, *QUERIES)
    assert texts(there) == texts(here)


def test_the_probability_of_a_mean_is_that_of_all_tokens(remote, local, answers):
    fuse = "token_fuse(A, B, C)"
    here, there = (answers(declared(way) + fuse, *QUERIES) for way in (local, remote))
    for one, other in zip(here, there, strict=True):
        assert other.confidence == pytest.approx(one.confidence, abs=1e-4)


def test_where_the_likeliest_are_all_tokens_no_ids_are_asked_for(remote, local, answers):
    there = declared(remote, top=4096, chosen=0, server={"top": 4096})
    assert texts(answers(there + "token_fuse(A, B, C)", *QUERIES)) == texts(
        answers(declared(local) + "token_fuse(A, B, C)", *QUERIES)
    )


def test_one_member_behind_a_server_and_others_here(remote, local, answers):
    mixed = FEW + remote("A", "general-1") + local("B", "maths") + local("C", "text")
    fuse = "token_fuse(A, B, C)"
    assert texts(answers(mixed + fuse, *QUERIES)) == texts(
        answers(declared(local) + fuse, *QUERIES)
    )


def test_sampling_draws_what_it_draws_here(remote, local, answers):
    how = "let fused = token_fuse(A, B, C)\nfused(temperature = 0.8, top_k = 5)"
    assert texts(answers(declared(remote) + how, *QUERIES)) == texts(
        answers(declared(local) + how, *QUERIES)
    )


def test_each_request_names_the_ensembles_of_its_own_queries(remote, servers):
    recipe = FEW + remote("A", "general-1") + remote("B", "maths") + "token_fuse(A, B)"
    stats = servers("maths").removesuffix("/v1") + "/stats"
    httpx2.delete(stats)
    with composer.Recipe.load(recipe).ready() as ensemble, ThreadPoolExecutor(3) as pool:

        def ask(way):
            with answering("me", way):
                return ensemble(QUERIES[0]).answer

        assert len(set(pool.map(ask, ("one", "two", "")))) == 1
    headers = [each.get(HEADER.lower()) for each in httpx2.get(stats).json()["headers"]]
    assert {"one, me", "two, me", "me"} == {each for each in headers if each}


def test_images_are_no_tokens(remote):
    pair = remote("A", "general-1", chat=True) + remote("B", "maths", chat=True)
    recipe = pair.replace("api = completions, ", "") + "token_fuse(A, B)"
    image = {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}}
    row = {"id": "cat", "messages": [{"role": "user", "content": [image]}]}
    with composer.Recipe.load(recipe).ready() as ensemble, pytest.raises(Failure) as caught:
        ensemble(row)
    assert caught.value.code == "E722"
    assert "the row `cat` has a part of type `image_url`" in caught.value.message


@pytest.mark.parametrize("fuse", ["token_fuse(A, B)", "token_fuse(A, B, draft = speculative())"])
def test_details_of_members_behind_servers_are_those_of_the_same_models_here(remote, local, fuse):
    """Chosen ids are asked for, though the choice is certain without them; drafts tell less."""
    wanted = AnswerOptions(detail=TokenDetail(top=3, ids=(100, 101), members=2))
    told = {}
    for way in (local, remote):
        with composer.load(declared(way) + fuse).ready() as ensemble:
            told[way] = ensemble(QUERIES[0], options=wanted).text.choices
    here, there = told[local], told[remote]
    assert [_tokens(each) for each in there] == [_tokens(each) for each in here]
    for one, other in zip(here, there, strict=True):
        pairs = zip((*one.top, *one.members), (*other.top, *other.members), strict=True)
        for left, right in pairs:
            assert right.logprob == pytest.approx(left.logprob, abs=0.05)


def _tokens(choice):
    members = [(m.name, m.weight, [t.id for t in m.top]) for m in choice.members]
    return choice.chosen.id, [t.id for t in choice.top], members
