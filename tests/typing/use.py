"""The public face as a typed program uses it; read by type checkers, never run."""

from __future__ import annotations

import composer
from composer import ens

recipe: composer.Recipe = composer.load("quickstart", doubt=0.7)
with recipe.ready(cache=False, budget=1.0) as ensemble:
    result: composer.Result = ensemble("What is 17 plus 25?")
    answer: str | None = result.answer
    costs: list[float] = [each.cost for each in ensemble.map(["a", {"query": "b"}])]
    text: str = "".join(ensemble.stream("c"))

chain: ens.Expression = ens.zoo("general-1") >> ens.cascade(ens.zoo("maths"))
version: int = chain.recipe().plan().version
wrong: int = result.answer  # a checker that sees types refuses this line
