"""Our own client as the user: members behind our server, alone and fused."""

import asyncio
import contextlib

import pytest
from serve_process import ServeProcess
from served_app import registry_of, serving

from composer import zoo
from composer.backends.endpoint.declaration import Endpoint
from composer.backends.endpoint.probing.exploration import explore
from composer.recipe import Recipe
from composer.serve.app import create_app
from composer.serve.settings import Settings

MODELS = {"A": "general-1", "B": "maths", "C": "text"}
QUERIES = ("What is 17 plus 25?", "Reverse the word star.", "Write 14 in roman numerals.")
STATED = (
    ", probe = false, api = completions, abilities = [completions: true, top: 20, chosen: 1024, "
    "ids: true, prompt_ids: true, prompts: 64, usage: true]"
)
SAMPLED = "let fused = token_fuse(A, B, C)\nfused(temperature = 0.8, top_k = 5)"
FEW = "default generate(max_tokens = 12)\n"


@pytest.fixture(scope="module")
def members():
    """The addresses of three models, which one server has."""
    pytest.importorskip("openai")
    recipes = {model: f'model A = zoo("{model}")\nA' for model in MODELS.values()}
    with registry_of(**recipes) as registry, serving(create_app(registry, Settings())) as url:
        yield dict.fromkeys(MODELS, f"{url}/v1")


def behind(urls, extra=STATED):
    return FEW + "".join(
        f'model {name} = endpoint("{model}", url = "{urls[name]}", '
        f'tokenizer = "{zoo.folder(model)}"{extra})\n'
        for name, model in MODELS.items()
    )


def here():
    return FEW + "".join(f'model {name} = zoo("{model}")\n' for name, model in MODELS.items())


def answers(recipe):
    with Recipe.load(recipe).ready() as ensemble:
        return [str(each) for each in ensemble.map(QUERIES)]


@pytest.mark.parametrize(
    "fuse",
    [
        "token_fuse(A, B, C)",
        pytest.param("token_fuse(A, B, C, combine = logs())", marks=pytest.mark.slow),
        pytest.param(SAMPLED, marks=pytest.mark.slow),
    ],
)
def test_three_servers_are_fused_as_the_same_models_here(members, fuse):
    assert answers(behind(members) + fuse) == answers(here() + fuse)


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_members_that_were_probed_answer_as_here(members, model):
    assert answers(behind(members, "") + model) == answers(here() + model)
    fuse = "token_fuse(A, B, C)"
    assert answers(behind(members, "") + fuse) == answers(here() + fuse)


@pytest.mark.slow
def test_the_probe_finds_what_the_server_gives(members):
    options = Endpoint(model="maths", url=(members["B"],), tokenizer=str(zoo.folder("maths")))
    (record,) = asyncio.run(explore(options, "B", anew=True)).values()
    abilities = record.abilities
    able = {name for name in abilities.__slots__ if getattr(abilities, name)}
    assert able == {
        *("chat", "completions", "logprobs", "top", "chosen", "ids", "prompt_ids", "prompts"),
        *("echo", "several", "seeds", "continues", "usage", "penalties"),
        *("logit_bias", "top_k", "min_p", "min_tokens", "repetition_penalty", "context"),
    }
    assert (abilities.top, abilities.prompts, abilities.context) == (384, 64, 512)
    assert set(record.unknown) == {"stops", "echo_only"}  # its answer there begins with a space


@pytest.mark.slow
@pytest.mark.parametrize("extra", ["", STATED], ids=["probed", "stated"])
@pytest.mark.parametrize("fuse", ["token_fuse(A, B, C)", SAMPLED])
def test_three_processes_are_fused_as_the_same_models_here(processes, fuse, extra):
    assert answers(behind(processes, extra) + fuse) == answers(here() + fuse)


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """The addresses of three real servers, each of one model."""
    pytest.importorskip("openai")
    with contextlib.ExitStack() as stack:
        urls = {}
        for name, model in MODELS.items():
            folder = tmp_path_factory.mktemp(name)
            (folder / f"{model}.ens").write_text(f'model A = zoo("{model}")\nA')
            process = stack.enter_context(ServeProcess(f"{model}.ens", folder=folder))
            urls[name] = f"{process.address}/v1"
        yield urls
