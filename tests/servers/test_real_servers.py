"""Servers that people use: they give what docs/endpoints.md says, and are fused by it.

`python tests/servers/setup.py` installs them.
"""

from pathlib import Path

import pytest
from real_servers import gguf, llama_cpp, stories, transformers_serve, vllm
from server_table import SERVERS, column, head
from wide_models import wide_model

import composer
from composer import zoo
from composer.recipe import Mistakes

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "endpoints.md"
STORIES = ("stories260K", "stories260K-ft-shakespeare", "stories260K-ft-gsm8k")
BEGINNINGS = ("Once upon a time", "Lily and Tom went to the park.", "One day, a dog")
QUESTIONS = ("What is 2+2?", "Name a colour.", "Sort the letters: c a b")
FUSED = "let fused = token_fuse(A, B, C)\nfused(max_tokens = 24)"


def answers(questions, models, expression):
    lines = [f"model {name} = {model}" for name, model in zip("ABC", models, strict=False)]
    recipe = composer.load("\n".join([*lines, expression]))
    return [recipe(question).answer for question in questions]


def local(folder):
    return f'hf("{folder}", generation_config = false)'


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_gives_what_the_page_says(name):
    abilities = column(name)
    rows = [line.split("|")[1:-1] for line in PAGE.read_text().splitlines() if line[:1] == "|"]
    cells = [[cell.strip() for cell in row] for row in rows]
    (heads,) = (row for row in cells if head(name) in row)
    at = heads.index(head(name))
    table = [row for row in cells if len(row) == len(heads)]
    assert {row[0].strip("`"): row[at] for row in table}.items() >= abilities.items()


def test_a_member_moved_to_llama_cpp_changes_no_fused_answer():
    folders = [stories(name) for name in STORIES]
    models = [local(folder) for folder in folders]
    expected = answers(BEGINNINGS, models, FUSED)
    with llama_cpp(gguf(STORIES[0])) as url:
        options = f'url = "{url}", tokenizer = "{folders[0]}", api = completions'
        moved = [f'endpoint("{STORIES[0]}", {options})', *models[1:]]
        assert answers(BEGINNINGS, moved, FUSED) == expected


def test_a_member_moved_to_vllm_changes_no_fused_answer(tmp_path):
    folders = [wide_model(tmp_path / name, seed) for seed, name in enumerate("abc")]
    models = [local(folder) for folder in folders]
    expected = answers(QUESTIONS, models, FUSED)
    with vllm(folders[0]) as url:
        moved = [f'endpoint("a", url = "{url}", tokenizer = "{folders[0]}")', *models[1:]]
        assert answers(QUESTIONS, moved, FUSED) == expected
        plan = composer.load(f"model A = {moved[0]}\nA").plan()
        (server,) = plan.servers
        assert "128 chosen ids" in server.gives
        assert "embeddings" in server.lacks


def test_transformers_serve_votes_and_is_not_fused_by_token():
    names = ("general-1", "general-2", "maths")
    models = [f'zoo("{name}")' for name in names]
    folder = zoo.folder(names[0])
    vote = "[A, B, C] -> vote(ties = first())"
    expected = answers(QUESTIONS, models, vote)
    alone = answers(QUESTIONS, models[:1], "A")
    with transformers_serve(folder) as url:
        moved = [f'endpoint("{folder}", url = "{url}")', *models[1:]]
        assert answers(QUESTIONS, moved[:1], "A") == alone
        assert answers(QUESTIONS, moved, vote) == expected
        with pytest.raises(Mistakes) as caught:
            answers(QUESTIONS, moved, FUSED)
    assert "`token_fuse` needs" in str(caught.value)
    assert "vote()" in str(caught.value)
