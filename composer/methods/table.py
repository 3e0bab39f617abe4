"""Every part by its kind and its name: what a recipe may write for an option of a step."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, get_args

from composer.diagnostics.plugins import leave_out, load_plugin
from composer.specs.parts import kind_of
from composer.values import Typed

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "composer.parts"
"""The entry-point group through which other packages add parts."""

BUILT_IN: dict[str, dict[str, str]] = {
    "reader": {
        "pattern": "readers.basic.Pattern",
        "number": "readers.basic.Number",
        "boxed": "readers.basic.Boxed",
        "choice": "readers.options.Option",
        "line": "readers.basic.Line",
        "after": "readers.basic.After",
        "whole": "readers.basic.Whole",
        "output": "code.executing.Output",
        "rows": "code.sql.Rows",
        "latex": "agreements.expressions.Latex",
        "json": "readers.structured.JsonField",
        "code": "readers.structured.Code",
        "items": "readers.lists.Items",
    },
    "agreement": {
        "exact": "agreements.base.Exact",
        "verbatim": "agreements.base.Verbatim",
        "numeric": "agreements.base.Numeric",
        "math": "agreements.expressions.Math",
        "bleu": "agreements.overlap.Bleu",
        "chrf": "agreements.overlap.Chrf",
        "rouge": "agreements.overlap.Rouge",
        "f1": "agreements.overlap.F1",
        "edits": "agreements.overlap.Edits",
        "tfidf": "agreements.cosine.Terms",
        "cosine": "agreements.cosine.Cosine",
        "bertscore": "agreements.meaning.BertScore",
        "bartscore": "agreements.meaning.BartScore",
        "judge": "agreements.meaning.SameMeaning",
        "outputs": "code.executing.Outputs",
    },
    "verifier": {
        "tests": "code.verifying.Assertions",
        "examples": "code.verifying.Examples",
        "pattern": "code.verifying.Matching",
        "schema": "code.verifying.Following",
    },
    "sandbox": {"limits": "code.programs.Limits"},
    "reduction": {
        "count": "reductions.base.Count",
        "medoid": "reductions.base.Medoid",
        "log_odds": "reductions.log_odds.LogOdds",
        "surprising": "reductions.log_odds.Surprising",
        "guarded": "reductions.guarded.Guarded",
        "dawid_skene": "reductions.dawid_skene.DawidSkene",
        "combiner": "reductions.combiner.Combiner",
        "classifier": "reductions.classifier.Classifier",
        "fingerprints": "reductions.fingerprints.Fingerprints",
        "winrate": "reductions.win_rate.WinRate",
        "mean": "reductions.pairs.Mean",
        "minimum": "reductions.pairs.Minimum",
        "penalized": "reductions.pairs.Penalized",
        "copeland": "reductions.pairs.Copeland",
    },
    "aggregation": {
        "union": "aggregation.Union",
        "borda": "aggregation.Borda",
        "reciprocal": "aggregation.Reciprocal",
        "kemeny": "aggregation.Kemeny",
    },
    "ties": {"first": "ties.First", "seeded": "ties.Seeded", "confident": "ties.Surest"},
    "stopping": {"decided": "stopping.Decided"},
    "scorer": {
        "confident": "scorers.basic.Confident",
        "likely": "scorers.basic.Likelihood",
        "reward": "scorers.basic.Rewarded",
        "judge": "scorers.judging.Judge",
        "peer_review": "scorers.reviewing.PeerReview",
        "consensus": "scorers.basic.Consensus",
        "length": "scorers.basic.Length",
        "sum": "scorers.basic.Sum",
        "shortest": "scorers.basic.Shortest",
        "longest": "scorers.basic.Longest",
        "forest": "selectors.forest.Forest",
        "experts": "selectors.experts.Experts",
        "ranker": "selectors.ranker.Ranker",
        "reranker": "selectors.reranker.Reranker",
        "smoothie": "selectors.smoothie.Smoothie",
        "placebo": "scorers.placebo.Placebo",
    },
    "estimator": {
        "uniform": "estimators.simple.Uniform",
        "random": "estimators.simple.Random",
        "length": "estimators.simple.Length",
        "perplexity": "estimators.simple.Perplexity",
        "knn": "estimators.learned.Knn",
        "linear": "estimators.learned.Linear",
        "forest": "estimators.ensembles.Forest",
        "mix": "estimators.ensembles.Mix",
        "selection": "estimators.selection.Selection",
        "asked": "estimators.asked.Asked",
        "constant": "estimators.means.Constant",
        "tagged": "estimators.means.Tagged",
        "head": "estimators.heads.Head",
        "encoder": "estimators.encoder.Encoder",
        "hybrid": "estimators.hybrid.Hybrid",
        "clusters": "estimators.clusters.Clusters",
        "near_clusters": "estimators.near_clusters.NearClusters",
        "factors": "estimators.factors.Factors",
        "irt": "estimators.factors.Irt",
        "recommend": "estimators.recommend.Recommend",
        "bradley_terry": "estimators.rankings.BradleyTerry",
        "elo": "estimators.rankings.Elo",
        "ema": "estimators.moving.Ema",
        "contrastive": "estimators.contrastive.Contrastive",
        "meta": "estimators.meta.Meta",
        "profiles": "estimators.profiles.Profiles",
        "pool": "estimators.pool.Pool",
        "linucb": "estimators.bandits.LinUcb",
        "stateless_q": "estimators.bandits.StatelessQ",
        "automaton": "estimators.bandits.Automaton",
        "post_hoc": "post_hoc.estimator.PostHoc",
    },
    "features": {
        "tfidf": "estimators.features.Tfidf",
        "length": "estimators.shapes.Lengthy",
        "shape": "estimators.shapes.Shape",
        "tags": "estimators.shapes.Tags",
        "static": "estimators.embeddings.Static",
        "sentence": "estimators.pretrained.Sentence",
        "latent": "estimators.latent.Latent",
        "pretrained": "estimators.pretrained.Pretrained",
    },
    "acceptance": {
        "thresholds": "acceptances.thresholds.Thresholds",
        "certified": "acceptances.certified.Certified",
        "label_free": "acceptances.certified.LabelFree",
        "pomdp": "acceptances.pomdp.Pomdp",
        "learned_policy": "post_hoc.learned_policy.LearnedPolicy",
    },
    "carry": {
        "answer": "carry.conversation.LastAnswer",
        "history": "carry.conversation.History",
        "demonstrations": "carry.demonstrations.Demonstrations",
        "draft": "carry.draft.LastDraft",
    },
    "coordinator": {
        "dialogue": "coordinators.dialogue.Dialogue",
        "roles": "coordinators.roles.Roles",
    },
    "student": {"logistic": "students.Logistic"},
    "policy": {
        "one": "policies.choosing.One",
        "several": "policies.choosing.Several",
        "recruit": "policies.recruiting.Recruit",
        "blend": "policies.choosing.Blend",
        "threshold": "policies.choosing.Threshold",
        "gap": "policies.choosing.Gap",
        "cheapest": "policies.choosing.Cheapest",
        "chance": "policies.choosing.Chance",
        "budget": "policies.budgets.Budget",
        "paced": "policies.budgets.Paced",
        "spend": "policies.budgets.Spend",
        "explore": "policies.exploring.Explore",
        "optimistic": "policies.exploring.Optimistic",
        "thompson": "policies.exploring.Thompson",
        "expected_best": "policies.expecting.ExpectedBest",
    },
    "align": {
        "shared": "align.shared.Shared",
        "union": "align.union.Union",
        "topk": "align.topk.TopK",
        "relative": "align.relative.Relative",
        "mapped": "align.mapped.Mapped",
        "edits": "align.edits.Edits",
    },
    "combine": {
        "mean": "combine.Mean",
        "logs": "combine.Logs",
        "maximum": "combine.Maximum",
        "minimum": "combine.Minimum",
        "chow": "token_rules.Chow",
        "diff": "token_rules.Diff",
        "opt": "token_rules.Opt",
        "token_rule": "token_rules.TokenRule",
        "lossy": "token_rules.Lossy",
    },
    "weigh": {
        "entropy": "weigh.entropy.Entropy",
        "consistent": "weigh.consistent.Consistent",
        "agreeing": "weigh.agreeing.Agreeing",
        "learned": "weigh.learned.LearnedWeights",
        "expert": "weigh.expert.Expert",
        "perplexity": "weigh.perplexity.PromptPerplexity",
        "search": "weigh.search.Search",
    },
    "handover": {"doubt": "handover.Doubt", "expert_tokens": "handover.ExpertTokens"},
    "draft": {"speculative": "draft.speculative.Speculative", "safe": "draft.safe.Safe"},
    "gate": {
        "unsure": "gate.Unsure",
        "critical": "gate.Critical",
        "routed": "gate.Routed",
    },
    "stringmean": {
        "mean": "strings.Mean",
        "product": "strings.Product",
        "minimum": "strings.Minimum",
        "maximum": "strings.Maximum",
        "power": "strings.Power",
    },
    "chatfile": {"file": "template.File"},
    "key": {"env": "environment.Environment"},
    "search": {
        "greedy": "searches.beams.Greedy",
        "beam": "searches.beams.Beam",
        "tree": "searches.trees.Tree",
    },
    "stepreward": {
        "rewarded": "rewards.models.RewardedSteps",
        "judged": "rewards.judged.Judged",
        "affirmed": "rewards.judged.Affirmed",
        "perplexity": "rewards.perplexity.StepPerplexity",
        "step_reward": "rewards.learned.StepHead",
    },
    "boundary": {
        "words": "spans.boundaries.Words",
        "common": "spans.common.Common",
        "sentence": "spans.boundaries.Sentence",
        "tokens": "spans.boundaries.Tokens",
        "punctuation": "spans.boundaries.Punctuation",
        "pattern": "spans.matching.MatchedBoundary",
        "margin": "spans.adaptive.Margin",
        "learned_boundary": "spans.learned.LearnedBoundary",
    },
    "branching": {"branches": "spans.branchings.Branches"},
    "measure": {
        "mean_logprob": "spans.measures.MeanLogprob",
        "perplexity": "spans.measures.Perplexity",
        "sum_logprob": "spans.measures.SumLogprob",
        "per_byte": "spans.measures.PerByte",
        "share": "spans.measures.Share",
    },
    "filter": {"outliers": "spans.filters.Outliers"},
    "spanweigh": {"hedge": "spans.hedge.Hedge", "policy": "spans.policy.Policy"},
    "exit": {"low_share": "spans.exits.LowShare"},
    "edit": {
        "average": "edits.average.Average",
        "ties": "edits.ties.Ties",
        "dare": "edits.dare.Dare",
        "dare_ties": "edits.dare.DareTies",
        "slerp": "edits.slerp.Slerp",
        "varm": "edits.variation.Varm",
        "sce": "edits.variation.Sce",
        "dppa": "edits.dppa.Dppa",
    },
    "coefficients": {
        "gradient": "edits.gradient.Gradient",
        "greedy": "edits.greedy.Greedy",
        "adaptive": "edits.adaptive.Adaptive",
        "evolve": "edits.evolve.Evolve",
        "bayesian": "edits.bayesian.Bayesian",
    },
    "layerpath": {"paths": "edits.paths.Paths"},
    "router": {
        "hidden": "routers.prompted.Hidden",
        "embeddings": "routers.prompted.Embeddings",
        "random": "routers.plain.Random",
        "uniform": "routers.plain.Uniform",
    },
    "objective": {
        "distributions": "distillation.objectives.TeacherDistributions",
        "answers": "distillation.objectives.TeacherAnswers",
    },
    "match": {
        "exact": "distillation.matches.Exact",
        "edits": "distillation.matches.NearestTokens",
        "one_to_one": "distillation.matches.OneToOne",
        "counts": "distillation.matches.Counts",
    },
    "blend": {
        "least": "distillation.blends.LeastTeacher",
        "average": "distillation.blends.AverageTeacher",
    },
    "interpolation": {"gradual": "distillation.gradual.Gradual"},
    "training": {"adamw": "distillation.adamw.AdamW"},
    "signal": {
        "confidence": "signals.measured.Confidence",
        "agreement": "signals.measured.Agreed",
        "margin": "signals.measured.Margin",
        "entropy": "signals.measured.Entropy",
        "support": "signals.likeness.Support",
        "likeness": "signals.likeness.Likeness",
        "consensus_entropy": "signals.likeness.ConsensusEntropy",
        "stage_agreement": "signals.stage_agreement.StageAgreement",
        "length": "signals.measured.Characters",
        "mean_logprob": "signals.logprobs.MeanLogprob",
        "min_logprob": "signals.logprobs.MinLogprob",
        "sum_logprob": "signals.logprobs.SumLogprob",
        "quantile": "signals.logprobs.Quantile",
        "probability": "signals.tokens.Probability",
        "uniform_distance": "signals.tokens.UniformDistance",
        "token_margin": "signals.tokens.TokenMargin",
        "token_entropy": "signals.tokens.TokenEntropy",
        "answered": "signals.measured.Answered",
        "score": "signals.measured.Score",
        "verified": "signals.verified.Verified",
        "judged": "signals.judged.Judged",
        "rewarded": "signals.judged.RewardedSignal",
        "right": "post_hoc.signals.Right",
        "gain": "post_hoc.signals.Gain",
    },
    "grader": {
        "auto": "graders.comparing.Auto",
        "exact": "graders.comparing.Exact",
        "numeric": "graders.comparing.Numeric",
        "contains": "graders.comparing.Contains",
        "agreement": "graders.comparing.Agreeing",
        "regex": "graders.matching.Regex",
        "choice": "graders.matching.Choice",
        "schema": "graders.schema.Schema",
        "tests": "graders.tests.Passing",
        "judge": "graders.judge.Judge",
    },
}
"""The parts that come with the project: the module and the class of each, imported on use."""


def kinds_of(annotation: object) -> tuple[str, ...]:
    """Return the kinds of parts that an option with this annotation takes, in its order.

    `Agreement | None` takes an `agreement`, `tuple[Reader, ...]` readers, `float` nothing.
    """
    if isinstance(annotation, type) and issubclass(annotation, Typed):
        is_kind = annotation is not Typed and kind_of(annotation) in parts()
        return (kind_of(annotation),) if is_kind else ()
    kinds = (kind for inner in get_args(annotation) for kind in kinds_of(inner))
    return tuple(dict.fromkeys(kinds))


def parts_of(kind: type[Typed]) -> dict[str, type[Typed]]:
    """Return the parts of a kind by name, those that derive from its class."""
    named = parts().get(kind_of(kind), {})
    return {name: part for name, part in named.items() if issubclass(part, kind)}


def find_part(kind: str, name: str) -> type[Typed] | None:
    """Return a part; the installed packages are searched only for a foreign name."""
    if name in BUILT_IN.get(kind, {}):
        return _built_in(kind, name)
    return parts().get(kind, {}).get(name)


@cache
def parts() -> dict[str, dict[str, type[Typed]]]:
    """Return the parts by kind and name, those of installed plugins with them."""
    from importlib.metadata import entry_points

    table = {
        kind: {name: _built_in(kind, name) for name in named} for kind, named in BUILT_IN.items()
    }
    for entry in entry_points(group=GROUP):
        _add(table, entry)
    return table


def _built_in(kind: str, name: str) -> type[Typed]:
    module, _, part = BUILT_IN[kind][name].rpartition(".")
    part_type: type[Typed] = getattr(import_module(f"composer.methods.{module}"), part)
    return part_type


def _add(table: dict[str, dict[str, type[Typed]]], entry: EntryPoint) -> None:
    """Add a plugin's part, or warn and leave it out: one bad plugin must not stop the others."""
    part = load_plugin(entry, "part")
    if part is None:
        return
    if not (isinstance(part, type) and issubclass(part, Typed) and part.name):
        leave_out(entry, "part", "it is not a part, which is a subclass of a kind with a name")
    elif table.setdefault(kind_of(part), {}).setdefault(part.name, part) is not part:
        leave_out(entry, "part", f"there is already a part `{part.name}`")
