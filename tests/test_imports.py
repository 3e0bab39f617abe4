"""Who imports whom: import-linter holds floors and siblings, and here is what it leaves open."""

import grimp
import networkx as nx


def test_no_modules_import_each_other_in_circles_through_a_package_either():
    graph = grimp.build_graph("composer", cache_dir=None)
    imports = nx.DiGraph(
        (module, imported)
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
    )
    assert [each for each in nx.strongly_connected_components(imports) if len(each) > 1] == []
