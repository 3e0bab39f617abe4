"""The graph: interned nodes, in order, without cycles; quick and flat at any size."""

import sys
import time
from pathlib import Path

import networkx as nx
import pytest

from composer.compiler.graph import (
    QUERY,
    Graph,
    as_networkx,
    compile_recipe,
    root_of,
    shipped,
    topological,
)
from composer.diagnostics import Source
from composer.recipe import Recipe

MODELS = (
    'model A = fake(says = "a", confidence = 0.9)\nmodel B = fake(says = "b", confidence = 0.4)\n'
)


def answer(text):
    """Compile a recipe, and return its answer's node."""
    return compile_recipe(Path("nowhere/r.ens"), Source("r.ens", MODELS + text)).answer


def test_equal_nodes_are_one():
    graph = Graph()
    assert graph.node("prompt", (graph.query,), {"template": _template("x")}) is graph.node(
        "prompt", (graph.query,), {"template": _template("x")}
    )
    assert graph.node("prompt", (graph.query,), {"template": _template("x")}) is not graph.node(
        "prompt", (graph.query,), {"template": _template("y")}
    )


def _template(text):
    from composer.methods import Template

    return Template(text=text)


def test_nodes_of_two_graphs_are_never_one():
    assert Graph().query is not Graph().query


def test_equal_work_in_a_recipe_is_one_node():
    bank = answer('[prompt("""x""") -> A, prompt("""x""") -> B] -> vote()').inputs[0]
    first, second = (branch.inputs[0] for branch in bank.inputs)
    assert first is second


def test_replacing_nothing_gives_the_same_node():
    compiled = compile_recipe(Path("nowhere/r.ens"), Source("r.ens", f"{MODELS}[A, B] -> vote()"))
    assert compiled.graph.replaced(compiled.answer) is compiled.answer
    assert compiled.graph.rebuild(compiled.answer, lambda node: node) is compiled.answer


def test_rebuilding_reaches_every_node_once():
    compiled = compile_recipe(
        Path("nowhere/r.ens"), Source("r.ens", f"{MODELS}let x = A\n[x, x, B] -> vote()")
    )
    seen = []
    compiled.graph.rebuild(compiled.answer, lambda node: seen.append(node) or node)
    assert seen == topological(compiled.answer)
    assert len(set(seen)) == len(seen)


def test_inputs_come_before_those_that_use_them():
    order = topological(answer("[A, B -> cascade(A)] -> vote() -> cascade([A, B] -> vote())"))
    place = {node: at for at, node in enumerate(order)}
    assert all(place[each] < place[node] for node in order for each in node.inputs)
    assert order[0].op == QUERY


def test_networkx_sees_the_same_graph_without_cycles():
    root = answer("[A, B -> cascade(A)] -> vote() -> cascade([A, B] -> vote())")
    view = as_networkx(root)
    assert nx.is_directed_acyclic_graph(view)
    assert set(view.nodes) == set(topological(root))
    assert {node for node, degree in view.out_degree if degree == 0} == {root}
    assert set(view.edges) == {(each, node) for node in topological(root) for each in node.inputs}


def test_every_value_knows_the_query_that_it_answers():
    root = answer('prompt("""x""") -> [A, B] -> vote()')
    assert root.origin.op == "prompt"
    assert answer("[A, B] -> vote()").origin.op == QUERY


def test_the_root_is_the_nearest_folder_with_a_mark(tmp_path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "pyproject.toml").touch()
    assert root_of(inner) == tmp_path
    (tmp_path / "a" / ".git").mkdir()
    assert root_of(inner) == tmp_path / "a"


def test_shipped_recipes_are_found():
    assert shipped().is_dir()


PROMPT = 'prompt("""{{ answer }}""")'
LETS = "let x0 = A\n"


def lets(step, count):
    """Write a recipe of as many `let`s, each made of the one before."""
    return LETS + "".join(f"let x{i} = {step.format(f'x{i - 1}')}\n" for i in range(1, count))


SHAPES = {
    "chain": lambda n: "A" + f"\n -> {PROMPT} -> B" * (n // 2),
    "cascades": lambda n: "A" + "\n -> cascade(B)" * n,
    "lets": lambda n: lets(f"{{}} -> {PROMPT} -> B", n) + f"x{n - 1}",
    "lets of cascades": lambda n: lets("{} -> cascade(B)", n) + f"x{n - 1}",
    "banks in banks": lambda n: lets("[{}, B]", n) + f"x{n - 1} -> vote()",
    "wide bank": lambda n: f"[{', '.join(f'A(top_k = {i})' for i in range(n))}] -> vote()",
    "fallbacks": lambda n: " | ".join(["A"] * n),
    "names of names": lambda n: lets("{}", n) + f"x{n - 1}",
    "defs": lambda n: f"def f(x) = x -> {PROMPT} -> B\n" + lets("f({})", n) + f"x{n - 1}",
    "defs of defs": lambda n: (
        "def f0(x) = x\n"
        + "".join(f"def f{i}(x) = f{i - 1}(x) -> {PROMPT} -> B\n" for i in range(1, n))
        + f"f{n - 1}(A)"
    ),
    "numbers": lambda n: (
        "param p0: float = 0.5\n"
        + "".join(f"param p{i}: float = p{i - 1} + 0\n" for i in range(1, n))
        + f"A -> cascade(B, accept = confidence > p{n - 1})"
    ),
    "models": lambda n: (
        "".join(f'model M{i} = fake(says = "{i}")\n' for i in range(n))
        + f"[{', '.join(f'M{i}' for i in range(n))}] -> vote()"
    ),
    "idle": lambda n: lets("{} -> vote()", n) + "A",
    "routes": lambda n: "A" + f"\n -> {PROMPT} -> route(by = uniform()) -> [A, B]" * (n // 2),
}


@pytest.fixture
def shallow():
    """Let Python go no deeper than a plain test needs."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(300)
    yield
    sys.setrecursionlimit(before)


def plan(shape, size):
    """Compile and plan a recipe of a shape and a size; return the seconds."""
    began = time.process_time()
    Recipe.load(MODELS + SHAPES[shape](size)).plan()
    return time.process_time() - began


@pytest.mark.parametrize("shape", SHAPES)
def test_hundreds_of_steps_are_planned_in_seconds_and_nothing_recurses(shallow, shape):
    assert plan(shape, 400) < 6


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_four_thousand_steps_take_about_four_times_as_long(shallow, shape):
    plan(shape, 10)
    thousand = plan(shape, 1000)
    assert thousand < 15
    assert plan(shape, 4000) < 8 * thousand + 1


def test_a_long_chain_runs_too(shallow):
    recipe = Recipe.load(MODELS + SHAPES["lets of cascades"](500))
    with recipe.ready() as ensemble:
        assert ensemble("?").answer == "a"
