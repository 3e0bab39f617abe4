"""The recipes that search over steps, on the zoo's models."""

import pytest

from composer.recipe import Recipe


@pytest.mark.parametrize("name", ["process/beam", "process/le_mcts"])
def test_the_chain_is_worked_out_and_its_tree_is_kept(name):
    recipe = Recipe.load(name)
    with recipe.ready() as ensemble:
        result = ensemble(recipe.example)
    assert result.answer.endswith("answer 17")
    (step,) = [each for each in result.trace.as_dict()["steps"] if each["op"] == "process_fuse"]
    tree = step["notes"]["tree"]
    way = [node for node in tree if node["chosen"]]
    assert result.answer.startswith("".join(node["text"] for node in way).lstrip())
    for at, node in enumerate(tree):
        children = [each for each in tree if each["parent"] == at]
        if children and "visits" in node:
            assert node["visits"] == 1 + sum(child["visits"] for child in children)
            assert node["value"] == max(child["value"] for child in children)
