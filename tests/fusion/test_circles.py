"""The modules of the fusion core stand on each other in an order, imports for types included."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import composer

ROOT = Path(composer.__file__).parent


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{each.name}" for each in node.names))
        elif isinstance(node, ast.Import):
            yield from (each.name for each in node.names)


def name(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def test_no_imports_go_in_a_circle():
    files = {name(path): path for path in (ROOT / "fusion").rglob("*.py")}
    stands = {own: set(imports(path)) & set(files) - {own} for own, path in files.items()}
    assert len(stands) > 50
    order = list(TopologicalSorter(stands).static_order())
    assert order.index("composer.fusion.group") < order.index("composer.fusion.cursor")
