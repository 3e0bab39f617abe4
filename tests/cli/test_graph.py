import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from composer.cli.verbs import compose
from composer.diagnostics import Mistakes

RECIPE = """
model A = fake(says = "yes")
model B = fake(says = "no")
param sure: float = 0.5
[A, A, B] -> vote() -> cascade(B, accept = agreement >= sure)
"""


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("crowd.ens").write_text(RECIPE)
    return "crowd.ens"


def graph(*arguments):
    return CliRunner().invoke(compose, ["graph", *arguments], standalone_mode=False)


def test_text_is_what_it_draws_by_default(recipe):
    assert graph(recipe).stdout.startswith("graph of crowd.ens")


def test_settings_show_in_the_picture(recipe):
    assert "agreement >= 0.9" in graph(recipe, "--set", "sure=0.9").stdout


def test_plain_draws_the_recipe_as_it_is_written(recipe):
    written, optimized = graph(recipe, "--plain").stdout, graph(recipe).stdout
    assert len(written.splitlines()) > len(optimized.splitlines())


@pytest.mark.parametrize(
    ("name", "begins"),
    [("a.svg", "<svg"), ("a.dot", "digraph"), ("a.mmd", "%%"), ("a.txt", "graph of")],
)
def test_the_ending_of_the_output_says_the_format(recipe, name, begins):
    assert graph(recipe, "-o", name).exception is None
    assert Path(name).read_text(encoding="utf-8").startswith(begins)


def test_to_goes_before_the_ending(recipe):
    graph(recipe, "--to", "dot", "-o", "a.svg")
    assert Path("a.svg").read_text().startswith("digraph")


def test_an_output_that_cannot_be_written_is_told_in_words(recipe):
    result = graph(recipe, "-o", "nowhere/a.svg")
    assert "cannot write nowhere/a.svg" in str(result.exception)


def test_a_file_without_an_answer_has_no_picture(tmp_path):
    names = tmp_path / "names.ens"
    names.write_text('model A = fake(says = "yes")\n')
    result = graph(str(names))
    assert isinstance(result.exception, Mistakes)
    assert result.exception.diagnostics[0].code == "E207"


@pytest.mark.parametrize("form", ["text", "svg"])
def test_no_heavy_library_is_imported(recipe, form):
    code = (
        "import sys\nfrom composer.cli import main\n"
        f"try:\n    main(['graph', {recipe!r}, '--to', {form!r}, '-o', 'out'])\n"
        "except SystemExit:\n    pass\nprint(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "transformers", "networkx", "numpy"} & set(run.stdout.split())
