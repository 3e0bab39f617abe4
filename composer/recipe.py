"""The public face: load a recipe, check it, look at its plan, make it ready and ask it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from composer.compiler.graph import compile_recipe
from composer.compiler.graph.overrides import Overlays
from composer.diagnostics import Diagnostic, Mistakes
from composer.recipe_source import find_source, literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from composer.compiler.graph import Compiled, Node
    from composer.compiler.plan import Plan, Planned
    from composer.compiler.rules import Optimized
    from composer.run import Ensemble, Result
    from composer.run.budget import RunBudget
    from composer.run.cluster import Cluster
    from composer.run.engine_host import EngineHost
    from composer.run.exploring import Outages
    from composer.specs import Checkpoint

__all__ = ["Mistakes", "Recipe", "load"]


def load(recipe: str | Path, *, root: str | Path | None = None, **params: object) -> Recipe:
    """Read a recipe from a file; keyword arguments set its parameters.

    The name of a shipped recipe, such as `quickstart`, does as well; any other text is taken as
    the recipe itself. Raises Mistakes, which holds every mistake and draws them when printed.
    """
    return Recipe.load(recipe, {name: literal(value) for name, value in params.items()}, root=root)


@dataclass(frozen=True, eq=False)
class Recipe:
    """A recipe without mistakes. It is light: no model is loaded before :meth:`ready`.

    A query that takes longer than `timeout` seconds is given up. `outages` are the servers of
    which it was told that they cannot be asked; recipes that are made of this one share them. One
    that is `on_cluster` is planned in pools, whose models find their devices where replicas run.
    """

    compiled: Compiled
    plain: bool = False
    seed: int = 0
    path: Path | None = None
    timeout: float | None = None
    outages: Outages = field(default_factory=dict)
    on_cluster: bool = False

    def __repr__(self) -> str:
        return f"Recipe({self.name!r})"

    @classmethod
    def load(  # noqa: PLR0913 - what a recipe is read with
        cls,
        recipe: str | Path,
        settings: Mapping[str, str] | None = None,
        *,
        root: str | Path | None = None,
        overlays: Sequence[str | Path] = (),
        plain: bool = False,
        seed: int = 0,
        unmatched: list[Diagnostic] | None = None,
        answer: str | None = None,
    ) -> Recipe:
        """Read a recipe; `settings` are overrides by path, in the recipe's own notation.

        `overlays` are files whose statements replace those of the recipe, before the settings.
        `plain` leaves out the rules that only save work; `seed` is that of all sampled work.
        Overrides that find no match in the recipe are mistakes, or are put into `unmatched`.
        With an `answer`, an expression such as `A`, that is answered in place of the recipe's own;
        the fit and the lock beside the recipe are then not read.
        """
        path, source = find_source(recipe)
        root_folder = Path(root).resolve() if root is not None else None
        files = Overlays(tuple(map(Path, overlays)), unmatched, answer)
        compiled = compile_recipe(path, source, settings, root_folder, files)
        return cls(compiled, plain, seed, None if source or answer else path)

    def within(self, seconds: float | None) -> Recipe:
        """Return the recipe with a time limit for each query; None sets none."""
        return replace(self, timeout=seconds)

    def for_cluster(self) -> Recipe:
        """Return the recipe as it is planned for a cluster; `ready(cluster = ...)` does so too."""
        return replace(self, on_cluster=True)

    def demand_room(self, cluster: Cluster) -> None:
        """Raise Mistakes (E603) if a pool does not fit on the nodes of a cluster."""
        from composer.compiler.plan import demand_room, pools_of

        demand_room(pools_of(self.optimized.root, self.compiled.graph), cluster.nodes())

    @property
    def name(self) -> str:
        """The recipe's file, as it was named."""
        return self.compiled.name

    @property
    def example(self) -> str | None:
        """What the recipe answers when it is asked nothing."""
        return self.compiled.example

    def check(self) -> tuple[Diagnostic, ...]:
        """Return the warnings; mistakes were raised when the recipe was loaded."""
        return self.compiled.warnings

    @cached_property
    def optimized(self) -> Optimized:
        """The graph after the rules, with a log of what each rule did."""
        from composer.compiler.rules import optimize

        return optimize(self.compiled.graph, self._answer, plain=self.plain)

    @cached_property
    def fitted(self) -> Compiled:
        """The recipe with its fitted parts, if `compose fit` was called for it.

        Raises Mistakes where the fit beside it is another recipe's (E508) or out of date (E507).
        """
        if self.path is None or not self.path.with_name(self.path.name + ".fit.json").exists():
            return self.compiled
        from composer.compiler.fits import bind

        return bind(self.compiled, self.path)

    def plan(self) -> Plan:
        """Return what would run, where, with which options."""
        return self._planned.plan

    @property
    def draftable(self) -> list[Node]:
        """The fuses that write greedy answers and could draft."""
        from composer.compiler.rules.drafting import draftable_fuses

        optimized = self.optimized
        return draftable_fuses(self.compiled.graph, optimized.root, optimized.fired)

    @property
    def choices(self) -> tuple[str, ...]:
        """What the plan chose by saved timings, what it did not, and why."""
        return self._planned.choices

    @property
    def loaded_models(self) -> tuple[Checkpoint, ...]:
        """The models whose weights would be in this process, each on its device."""
        from composer.compiler.plan import loaded_models

        return loaded_models(self._planned)

    @cached_property
    def fingerprint(self) -> str:
        """What its answers depend on, in twelve digits: the graph, models by content, the seed.

        Comments and the file's name do not change it; a setting, a prompt or other weights do.
        """
        from composer.run.fingerprint import fingerprint

        return fingerprint(self._answer, self.seed)

    @cached_property
    def facts(self) -> dict[str, list[str]]:
        """What the fingerprint is made of: by what is set, how it is written and a digest of it."""
        from composer.run.fingerprint import facts

        return facts(self._answer, self.seed)

    def ready(  # noqa: PLR0913 - what it is opened with
        self,
        *,
        cache: bool | str | Path = False,
        budget: float | RunBudget | None = None,
        timeout: float | None = None,
        loading: Callable[[str], None] | None = None,
        warn: Callable[[Diagnostic], None] | None = None,
        probe: bool = True,
        engine: EngineHost | None = None,
        cluster: Cluster | None = None,
    ) -> Ensemble:
        """Return the recipe as something to ask; use it in a `with` statement.

        Models are loaded when a question first reaches them, which no answer's `seconds` count;
        `loading` is called with the name of each as it begins, from the thread that loads it.

        With a `cache`, answers are kept on disk, in the user's own file or the one that is named,
        and are not made twice. A fault of that file is passed to `warn`, by default as a Python
        warning, and ends the caching; no answer is lost. `budget` is in dollars, or one that
        several ensembles share: a call that would exceed it is refused. A query that takes longer
        than `timeout` seconds fails (E702). Servers of which nothing is known are first asked what
        they give, by a few tiny requests; `probe = False` asks none. Ensembles that are given the
        same `engine` have equal models in memory once. With a `cluster`, such as
        `composer.cluster.Cluster`, models of this machine are loaded by replicas there.

        Raises Mistakes if a model or a file differs from the recipe's lock (E506), if an estimator
        is not fitted yet (E509), if a policy needs costs that are not known (E511), if a server
        does not give what the recipe needs (E302), or if a pool does not fit on the cluster (E603).
        """
        from composer.compiler.fits import demand_costs, demand_fitted
        from composer.run import Ensemble, open_cache
        from composer.run.budget import RunBudget
        from composer.run.result import as_warning

        locked = self._check_lock()
        demand_fitted(self._answer, self.name, self.path)
        demand_costs(self._answer)
        budget = RunBudget(budget) if isinstance(budget, int | float) else budget
        if probe:
            self._explore(warn or as_warning, budget)
        path = None if isinstance(cache, bool) else Path(cache)
        planned = self._planned if cluster is None else self._planned_on(cluster)
        answer_cache = open_cache(path, warn) if cache else None
        return Ensemble(
            planned,
            seed=self.seed,
            cache=answer_cache,
            budget=budget,
            timeout=self.timeout if timeout is None else timeout,
            loading=loading,
            engine=engine,
            pools=None if cluster is None else partial(cluster.open, planned, locked=locked),
        )

    def _explore(self, warn: Callable[[Diagnostic], None], budget: RunBudget | None) -> None:
        """Ask servers of which nothing is known, and check the recipe by what they give."""
        from composer.compiler.graph import check_again
        from composer.run.exploring import explore_unknown

        places = self.compiled.declared
        warnings = explore_unknown(self._answer, places, self.outages, budget)
        if warnings is not None:
            warnings += check_again(self.compiled)
            for warning in warnings:
                if warning not in self.compiled.warnings:
                    warn(warning)

    def lock(self) -> Path:
        """Write a lock beside the recipe: what its models and data files are, by content."""
        from composer.compiler.plan import lock_of, lock_path

        if self.path is None:
            text = "a lock needs a recipe that is saved in a file"
            raise Mistakes([Diagnostic("E501", text, help="save the recipe first")])
        lock = lock_of(self.optimized.root, self.path.parent, self.plan().timings)
        path = lock_path(self.path)
        path.write_text(lock.text(), encoding="utf-8")
        return path

    def _check_lock(self) -> bool:
        """Hold the recipe against its lock; return whether it has one."""
        from composer.compiler.plan import check_lock, lock_path, read_lock

        if self.path is None or not lock_path(self.path).exists():
            return False
        check_lock(read_lock(lock_path(self.path)), self.optimized.root, self.path.parent)
        return True

    def _repr_html_(self) -> str:
        """Show the recipe in a notebook as the picture of what would run."""
        from composer.compiler.pictures import FORMATS, sketch

        return FORMATS["svg"](sketch(self.compiled, self.optimized.root))

    def __call__(self, query: str) -> Result:
        """Answer one query: ready, ask, close."""
        with self.ready() as ensemble:
            return ensemble(query)

    @property
    def _answer(self) -> Node:
        """The graph as it is written, with its fitted parts."""
        if self.fitted.answer is None:
            text = f"`{self.name}` has no answer: it can be used by other recipes, but not run"
            help_ = "end it with an expression, such as `[A, B] -> vote()`"
            raise Mistakes([Diagnostic("E207", text, help=help_)])
        return self.fitted.answer

    @cached_property
    def _planned(self) -> Planned:
        from composer.compiler.plan import make_plan

        return make_plan(self.compiled, self.optimized, cluster=self.on_cluster)

    def _planned_on(self, cluster: Cluster) -> Planned:
        """Return the plan on a cluster, whose nodes must have room for it."""
        from composer.compiler.plan import make_plan

        self.demand_room(cluster)
        if self.on_cluster:
            return self._planned
        return make_plan(self.compiled, self.optimized, cluster=True)
