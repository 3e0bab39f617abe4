"""Every recipe that ships checks, plans, and answers its own example."""

from pathlib import Path

import pytest

import composer
from composer.cli import main
from composer.sandbox.process import missing_walls

RECIPES = Path(__file__).parents[2] / "recipes"
LIBRARIES = {"strategies.ens", "zoo.ens"}
ANSWERS = {
    "after/agent_forest.ens": "apple, moon, wagon",
    "after/balanced_mixture.ens": "15",
    "after/attributes.ens": "trert",
    "after/best_of_n.ens": "15",
    "after/blender.ens": "42",
    "after/dfpe.ens": "bloys",
    "after/fusion_of_experts.ens": "foxes",
    "after/informed_pool.ens": "42",
    "after/consensus_entropy.ens": "rats",
    "after/data_consensus.ens": "42",
    "after/debate.ens": "15",
    "after/correction.ens": "42",
    "after/knowledge_fusion.ens": "42",
    "after/long_documents.ens": "35",
    "after/permuted_options.ens": "80",
    "after/synthetic_data.ens": "15",
    "after/judge.ens": "42",
    "after/entities.ens": '["Ada: person", "Paris: place", "Acme: organisation"]',
    "after/majority.ens": "Wednesday",
    "after/diverse.ens": "def triple(n): return 3 * n",
    "after/mixture_of_agents.ens": "42",
    "after/panel.ens": "42",
    "after/more.ens": "180",
    "after/optimal_weights.ens": "foxes",
    "after/peer_review.ens": "112",
    "after/program_of_thought.ens": "17",
    "after/prompts.ens": "42",
    "after/ranked_lists.ens": '["Influenza", "COVID-19", "Common cold", "Pneumonia"]',
    "after/rounds.ens": "42",
    "after/routed_best_of_n.ens": "15",
    "after/self_consistency.ens": "17",
    "after/summa_reranker.ens": "walked",
    "after/surprising.ens": "XIV",
    "after/self_mixture.ens": "15",
    "after/skills.ens": "planted",
    "after/smoothie.ens": "apple, moon, wagon",
    "after/topla.ens": "arty",
    "after/sql.ens": '[["pad"], ["pen"]]',
    "after/tests_decide.ens": "def double(n): return 2 * n",
    "after/universal.ens": "rats",
    "after/urg.ens": "42",
    "after/weak_labels.ens": "XIV",
    "after/weighted.ens": "1200",
    "after/winrate.ens": "yes",
    "build/fuse_chat.ens": "42",
    "build/fuse_llm.ens": "42",
    "cascade/automix.ens": "yes",
    "cascade/cascade_routing.ens": "42",
    "cascade/confidence.ens": "42",
    "cascade/der.ens": "42",
    "cascade/ema_fusion.ens": "15",
    "cascade/label_free.ens": "42",
    "cascade/eco_assistant.ens": "def double(n): return 2 * n",
    "cascade/frugal.ens": "foxes",
    "cascade/neural_cache.ens": "yes",
    "cascade/post_hoc.ens": "ejnnor",
    "cascade/quantiles.ens": "ejnnor",
    "cascade/thoughts.ens": "17",
    "endpoint.ens": "54",
    "fallback.ens": "54",
    "build/adaptive.ens": "3 January",
    "build/bayesian.ens": "42",
    "build/dare.ens": "3 January",
    "build/dare_ties.ens": "3 January",
    "build/dppa.ens": "3 January",
    "build/evolve.ens": "XIV",
    "build/greedy_soup.ens": "2",
    "build/moe.ens": "96",
    "build/moerge.ens": "34",
    "build/rewards.ens": "7+5=12\n12*2=24\nanswer 24",
    "build/slerp.ens": "2",
    "build/soup.ens": "2",
    "build/stack_layers.ens": "rats",
    "build/task_arithmetic.ens": "3 January",
    "build/ties.ens": "3 January",
    "build/warm.ens": "7+5=12\n12*2=24\nanswer 24",
    "build/wise_ft.ens": "3 January",
    "mission.ens": "42",
    "nested.ens": "42",
    "process/beam.ens": "6*2=12\n12+5=17\nanswer 17",
    "process/le_mcts.ens": "6*2=12\n12+5=17\nanswer 17",
    "process/router_r1.ens": "ruop",
    "process/trinity.ens": "ruop",
    "quickstart.ens": "42",
    "route/avengers.ens": "foxes",
    "route/avengers_pro.ens": "foxes",
    "route/benchmark_knn.ens": "walked",
    "route/blend.ens": "rats",
    "route/budgeted.ens": "foxes",
    "route/clusters.ens": "XIV",
    "route/contrastive.ens": "walked",
    "route/elo.ens": "180",
    "route/experts_by_query.ens": "180",
    "route/experts_by_subject.ens": "boxes",
    "route/hybrid.ens": "rats",
    "route/knn.ens": "foxes",
    "route/linear.ens": "XIV",
    "route/linucb.ens": "walked",
    "route/meta_model.ens": "XIV",
    "route/model_and_strategy.ens": "42",
    "route/multilabel.ens": "boxes",
    "route/perplexity.ens": "walked",
    "route/pick_rl.ens": "42",
    "route/preference_bandit.ens": "boxes",
    "route/profiles.ens": "planted",
    "route/random.ens": "rats",
    "route/recommend.ens": "42",
    "route/reward_distilled.ens": "42",
    "route/routellm.ens": "42",
    "route/select_subset.ens": "180",
    "route/soft_labels.ens": "rats",
    "route/static.ens": "XIV",
    "route/tools.ens": "XIV",
    "span/adafuse.ens": "rats",
    "span/cool_fusion.ens": "fig, lemon, pear",
    "span/rlae.ens": "fig, lemon, pear",
    "span/specfuse.ens": "fig, lemon, pear",
    "span/sweetspan.ens": "apple, river, stone",
    "token/arithmetic.ens": "foxes",
    "token/average.ens": "42",
    "token/byte_prefix.ens": "foxes",
    "token/citer.ens": "54",
    "token/consistent.ens": "42",
    "token/contrastive.ens": "17",
    "token/critical_tokens.ens": "XIV",
    "token/deepen.ens": "red",
    "token/eva.ens": "red",
    "token/expert_tokens.ens": "42",
    "token/f_ensemble.ens": "foxes",
    "token/fusion_route.ens": "ruop",
    "token/gac.ens": "red",
    "token/packllm_opt.ens": "34",
    "token/packllm_sim.ens": "34",
    "token/prompted.ens": "42",
    "token/proxy_tuning.ens": "54",
    "token/purify.ens": "17",
    "token/safe.ens": "red",
    "token/speculative.ens": "42",
    "token/speculative_cascade.ens": "42",
    "token/translate.ens": "tnalp",
    "token/unite.ens": "red",
}

SANDBOXED = {
    "after/diverse.ens",
    "after/program_of_thought.ens",
    "after/tests_decide.ens",
    "cascade/eco_assistant.ens",
    "cascade/thoughts.ens",
}
"""Recipes that run programs; where the system cannot hold the sandbox, they refuse to."""


@pytest.fixture(autouse=True)
def _working_folder(tmp_path, monkeypatch):
    """Some recipes write beside whoever runs them."""
    monkeypatch.chdir(tmp_path)


SLOW = {"after/blender.ens", "after/dfpe.ens", "after/more.ens", "after/summa_reranker.ens"}
"""Recipes that learn for seconds; test_after_selectors.py asks two of them in the quick tests."""

TRAINED = {"build/fuse_chat.ens", "build/fuse_llm.ens"}
"""Recipes of models that are trained first; tests/build/ trains smaller ones in the quick tests."""

every_recipe = pytest.mark.parametrize("name", sorted(ANSWERS))


def test_every_recipe_has_an_answer_here():
    shipped = {str(path.relative_to(RECIPES)) for path in RECIPES.rglob("*.ens")}
    assert shipped == set(ANSWERS) | LIBRARIES


@every_recipe
def test_checks_without_warnings(name):
    assert composer.load(RECIPES / name).check() == ()


@every_recipe
def test_plans_its_models_and_ends_with_an_answer(name):
    plan = composer.load(RECIPES / name).plan()
    assert plan.models
    assert plan.answer == plan.steps[-1].id


def require_sandbox(name):
    if name in SANDBOXED and missing_walls():
        pytest.skip(f"this system cannot hold {missing_walls()}")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW | TRAINED else [])
        for name in sorted(ANSWERS)
    ],
)
def test_answers_its_example(name, tmp_path, monkeypatch):
    require_sandbox(name)
    recipe = composer.load(RECIPES / name)
    if name in TRAINED:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        with pytest.raises(SystemExit) as left:
            main(["build", str(RECIPES / name)])
        assert left.value.code == 0
    with recipe.ready() as ensemble:
        assert ensemble(recipe.example).answer == ANSWERS[name]


@every_recipe
def test_is_the_same_without_the_rules_that_save_work(name):
    recipe = composer.load(RECIPES / name)
    if recipe.optimized.root is recipe.compiled.answer:
        return  # no rule applies
    require_sandbox(name)
    recipe = composer.Recipe.load(RECIPES / name, plain=True)
    with recipe.ready() as ensemble:
        assert ensemble(recipe.example).answer == ANSWERS[name]


@pytest.mark.parametrize("name", sorted({*ANSWERS, *LIBRARIES}))
def test_begins_with_its_title(name):
    first, second = (RECIPES / name).read_text(encoding="utf-8").split("\n")[:2]
    assert first.startswith("# ")
    assert first.endswith(".")
    assert second in ("#", "")


def test_stand_in_canonical_form():
    with pytest.raises(SystemExit) as left:
        main(["fmt", "--check", *map(str, RECIPES.rglob("*.ens"))])
    assert left.value.code == 0


@pytest.mark.parametrize("name", sorted(LIBRARIES))
def test_libraries_only_declare(name):
    (warning,) = composer.load(RECIPES / name).check()
    assert warning.code == "W202"
