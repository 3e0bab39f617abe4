import subprocess
import sys

import pytest

RECIPE = 'model A = fake(says = "yes")\nA\n'
CASCADE = RECIPE + "-> cascade(A, accept = length < 9)\n"
HEAVY = ("torch", "transformers", "numpy", "sklearn", "networkx", "jinja2", "asyncio")
ABOVE = ("composer.compiler.rules", "composer.compiler.plan", "composer.run", "composer.evaluate")
UNUSED = (
    "composer.methods.scorers.judging",
    "composer.methods.estimators.learned",
    "composer.methods.acceptances.thresholds",
    "composer.steps.voting",
)


def loaded_by(*arguments):
    code = (
        "import sys\nfrom composer.cli import main\n"
        f"try:\n    main({list(arguments)!r})\nexcept SystemExit:\n    pass\n"
        "print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("verb", ["check", "plan"])
def test_a_short_command_loads_no_heavy_library(tmp_path, verb):
    recipe = tmp_path / "recipe.ens"
    recipe.write_text(RECIPE)
    assert not loaded_by(verb, str(recipe)) & set(HEAVY)


def test_a_check_loads_only_what_the_recipe_says(tmp_path):
    recipe = tmp_path / "recipe.ens"
    recipe.write_text(CASCADE)
    loaded = loaded_by("check", str(recipe))
    assert not loaded & {*ABOVE, *UNUSED}
    assert "composer.backends.zoo" not in loaded
