"""What users see of servers: before they are asked, when they are, and what follows from that."""

import asyncio
import re
from pathlib import Path

import pytest
from small_server import serving

from composer import zoo
from composer.backends.endpoint import Endpoint
from composer.backends.endpoint.transport import retry
from composer.cli import main

GOLDEN = Path(__file__).parent / "golden"
FOLDER = zoo.folder("general-1")
NOBODY = "http://127.0.0.1:9/v1"

RECIPES = {
    "vote": """model A = endpoint("general-1", url = "{url}")
model B = endpoint("general-1", url = "{nobody}")
model C = fake("42")
[A, B, C] -> vote()
""",
    "rank": """model A = endpoint("general-1", url = "{url}", tokenizer = "tokens")
model B = fake("42")
model C = fake("41")
[B, C] -> rank(A, by = likely()) -> best()
""",
    "none": 'model A = endpoint("m", url = "{nobody}")\nA\n',
    "fallback": 'model A = endpoint("m", url = "{nobody}")\nmodel B = fake("42")\nA | B\n',
}


@pytest.fixture(scope="module")
def url():
    with serving(FOLDER, lacks="echo n") as address:
        yield address


@pytest.fixture
def compose(tmp_path, monkeypatch, capfd, url):
    """Run the command in this process; return its status, and what it prints and says, as text."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(retry, "FIRST", 0.01)
    Path("tokens").symlink_to(FOLDER)
    for name, text in RECIPES.items():
        Path(f"{name}.ens").write_text(text.format(url=url, nobody=NOBODY))

    def call(*arguments):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        text = "".join(capfd.readouterr()).replace(url, "http://127.0.0.1:8000/v1")
        text = re.sub(
            r"\d{4}-\d\d-\d\d", "2026-11-30", re.sub(r"by \d+ requests", "by 50 requests", text)
        )
        return caught.value.code, text

    return call


def test_a_server_that_was_not_asked_is_told_and_asked_by_doctor(compose, golden):
    """A check asks nobody; a plan shows what the doctor has found."""
    status, before = compose("check", "vote.ens")
    assert status == 0
    status, found = compose("doctor", "vote.ens")
    assert status == 1
    status, plan = compose("plan", "vote.ens")
    assert status == 0
    golden(GOLDEN / "endpoints.txt", f"{before}\n{found}\n{plan}")


def test_a_recipe_that_cannot_work_is_refused_before_the_first_query(compose, golden):
    """What a server was found to give is kept; what a recipe states of it is believed."""
    assert compose("check", "rank.ens")[0] == 0
    status, refused = compose("run", "rank.ens", "What is 17 plus 25?")
    assert status == 1
    golden(GOLDEN / "endpoints_refused.txt", refused)
    assert compose("check", "rank.ens")[0] == 1
    assert compose("check", "rank.ens", "--set", "model.A.abilities=[echo: true]")[0] == 0


def test_a_model_that_a_server_lacks_is_named_with_those_that_it_has(compose):
    status, text = compose("run", "rank.ens", "x", "--set", 'model.A.model="general-2"')
    assert status == 3
    assert "has no model `general-2`" in text
    assert "it lists `general-1`" in text


def test_a_tokenizer_that_is_not_the_served_models_is_an_error(compose):
    other = f"""model.A.tokenizer="{zoo.folder("other")}\""""
    status, text = compose("run", "rank.ens", "x", "--set", other)
    assert status == 1
    assert "error[E302]: `A`: the server at http://127.0.0.1:8000/v1 cuts a text into other" in text
    assert compose("run", "rank.ens", "x", "--set", other)[0] == status  # nothing of it is kept


@pytest.mark.parametrize("model", ["general-1", "other"])
def test_without_tokenize_the_echoed_tokens_tell_another_tokenizer(model, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with serving(FOLDER, lacks="tokenize ids prompt_ids chosen_ids") as address:
        folder = str(zoo.folder(model))
        served = Endpoint(model="general-1", url=address, tokenizer=folder)
        errors = asyncio.run(served.explore("A", anew=True))
    assert [error.code for error in errors.values()] == ([] if model == "general-1" else ["E302"])


def test_a_recipe_without_any_server_that_can_be_reached_is_not_run(compose):
    status, text = compose("run", "none.ens", "x")
    assert status == 3
    assert "error[E701]: `A`: the server at http://127.0.0.1:9/v1 cannot be asked" in text
    assert "query 1" not in text


def test_a_server_that_cannot_be_reached_ends_no_run_of_others(compose):
    status, text = compose("run", "fallback.ens", "x")
    assert "warning[W703]: `A`" in text
    assert (status, text.splitlines()[0]) == (0, "42")


def test_a_recipe_that_needs_no_server_has_none_to_ask(compose):
    Path("fake.ens").write_text('model A = fake("42")\nA\n')
    assert compose("doctor", "fake.ens")[0] == 0
