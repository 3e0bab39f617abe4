"""What the page is told of the models that are served."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from composer.compiler.pictures import sketch
from composer.run.result import Failure
from composer.values.options import AnswerOptions

if TYPE_CHECKING:
    from composer.serve.served import ServedModel

__all__ = ["model_dict"]

TRIED = {
    "temperature": AnswerOptions(temperature=0.5),
    "max_tokens": AnswerOptions(max_tokens=16),
    "seed": AnswerOptions(seed=1),
    "prefix": AnswerOptions(prefix="a"),
}
"""The options that the page can set, each with a value for which a recipe is checked."""

KEPT = "this server keeps to what the recipe says"


def model_dict(served: ServedModel) -> dict[str, object]:
    """Return a model: its example, members and writers, its graph, and what it refuses."""
    recipe, ensemble = served.recipe, served.ensemble
    root = recipe.optimized.root
    picture = sketch(recipe.compiled, root)
    ids = {node: id_ for id_, node in ensemble.steps.items()}
    return {
        "id": served.id,
        "example": recipe.example,
        "members": [model.name for model in recipe.plan().models],
        "writers": [ids[node] for node in ensemble.writers],
        "graph": {
            "boxes": [asdict(box) for box in picture.boxes],
            "edges": [asdict(edge) for edge in picture.edges],
            "answer": picture.answer,
        },
        "refused": {
            name: refusal
            for name, options in TRIED.items()
            if (refusal := _refusal(served, options)) is not None
        },
    }


def _refusal(served: ServedModel, options: AnswerOptions) -> str | None:
    """Return why a recipe cannot honour options, None where it can."""
    if options.set_names[0] in served.settings.keep:
        return KEPT
    try:
        served.ensemble.demand_options(options)
    except Failure as failure:
        return f"{failure.message}" + (f" ({failure.help})" if failure.help else "")
    return None
