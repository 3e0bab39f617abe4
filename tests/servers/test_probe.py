"""The probe against real servers that lack something: it finds exactly that, and nothing else."""

import asyncio
from dataclasses import asdict

import pytest
from small_server import serving

from composer import zoo
from composer.backends.endpoint.abilities import Abilities
from composer.backends.endpoint.declaration import Endpoint
from composer.backends.endpoint.probing.exploration import explore

WHOLE = Abilities(
    chat=True,
    completions=True,
    logprobs=True,
    top=20,
    chosen=128,
    ids=True,
    prompt_ids=True,
    prompts=64,
    echo=True,
    echo_only=True,
    several=True,
    seeds=True,
    stops=16,
    continues=True,
    schema=True,
    usage=True,
    embeddings=True,
    logit_bias=True,
    top_k=True,
    min_p=True,
    min_tokens=True,
    penalties=True,
    repetition_penalty=True,
    context=512,
)
NO_TOKENS = {"top": 0, "chosen": 0, "ids": False, "echo": False, "echo_only": False}
LACKS = {
    "batch": {"prompts": 1},
    "chat": {"chat": False, "continues": False, "schema": False},
    "chosen_ids": {"chosen": 0},
    "completions": {"completions": False, "prompt_ids": False, "prompts": 1, **NO_TOKENS},
    "continues": {"continues": False},
    "echo": {"echo": False, "echo_only": False},
    "echo_only": {"echo_only": False},
    "embeddings": {"embeddings": False},
    "ids": {"ids": False},
    "logprobs": {"logprobs": False, **NO_TOKENS},
    "models": {"context": 0},
    "n": {"several": False},
    "prompt_ids": {"prompt_ids": False},
    "schema": {"schema": False},
    "seed": {"seeds": False},
    "separation": {},
    "stop": {"stops": 0},
    "stream": {},
    "tokenize": {"prompt_ids": False},
    "top": {},
    **{
        name: {name: False}
        for name in (
            "logit_bias",
            "min_p",
            "min_tokens",
            "penalties",
            "repetition_penalty",
            "top_k",
            "usage",
        )
    },
}
MORE_REFUSED = {"stop": {"echo_only": False}}
"""What cannot be asked for safely from a server that refuses these."""

NO_ANSWERS_WITHOUT = {"separation", "usage"}
"""No request asks for these, or every one does: a server cannot refuse one that does."""


def found(**options):
    """Return what the probe finds of a server with these options."""
    with serving(zoo.folder("general-1"), **options) as url:
        endpoint = Endpoint(model="general-1", url=url)
        return asyncio.run(explore(endpoint, "A", anew=True))[url]


def differences(abilities):
    whole = asdict(WHOLE)
    return {name: value for name, value in asdict(abilities).items() if value != whole[name]}


@pytest.mark.slow
def test_a_whole_server_gives_all():
    record = found()
    assert record.abilities == WHOLE
    assert record.unknown == ()


def test_what_a_server_ignores_is_found_out():
    """Nine at once, none of which hides another."""
    names = "batch chosen_ids continues echo n prompt_ids schema seed stop"
    lacks = {name: value for each in names.split() for name, value in LACKS[each].items()}
    assert differences(found(lacks=names).abilities) == lacks


@pytest.mark.slow
@pytest.mark.parametrize("name", LACKS)
def test_each_ability_that_a_server_ignores_is_found_alone(name):
    assert differences(found(lacks=name).abilities) == LACKS[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in LACKS if name not in NO_ANSWERS_WITHOUT])
def test_each_ability_that_a_server_refuses_is_found_alone(name):
    lacks = LACKS[name] | MORE_REFUSED.get(name, {})
    assert differences(found(refuses=name).abilities) == lacks
