import pkgutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

import composer
from composer.heavy import Deferred

HEAVY = {"networkx", "numpy", "scipy", "sklearn", "torch", "transformers"}
ENGINE = ("composer.engine.", "composer.backends.", "composer.build.")
COMMAND = "composer.__main__"
USED = [  # the quick ones have attributes that are imported when they are read
    pytest.param("numpy", "linalg", marks=pytest.mark.slow),
    ("scipy", "special"),
    pytest.param("sklearn", "linear_model", marks=pytest.mark.slow),
    pytest.param("networkx", "DiGraph", marks=pytest.mark.slow),
    ("transformers", "utils"),
]
TOGETHER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from threading import Barrier
from composer.heavy import Deferred

package, *names = sys.argv[1:]
deferred, start = Deferred(package), Barrier(8)
assert package not in sys.modules
sys.setswitchinterval(1e-6)

def used(name):
    start.wait()
    return getattr(deferred, name)

names = names * (8 // len(names))
with ThreadPoolExecutor(8) as threads:
    values = list(threads.map(used, names))
assert values == [getattr(import_module(package), name) for name in names]
"""


def run(code, *arguments):
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def outside_the_engine():
    modules = pkgutil.walk_packages(composer.__path__, "composer.")
    return [name for _, name, _ in modules if not name.startswith((*ENGINE, COMMAND))]


@pytest.mark.parametrize(
    "again", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(("package", "name"), USED)
def test_eight_threads_that_use_a_package_first_all_get_it(package, name, again):
    run(TOGETHER, package, name)


@pytest.mark.slow
def test_threads_that_use_several_models_of_transformers_first_all_get_them():
    run(TOGETHER, "transformers", "LlamaConfig", "DynamicCache", "AutoModel", "AutoTokenizer")


def test_modules_that_import_each_other_are_whole_in_every_thread(tmp_path, monkeypatch):
    (tmp_path / "circle").mkdir()
    (tmp_path / "circle" / "__init__.py").touch()
    (tmp_path / "circle" / "left.py").write_text(
        "from time import sleep\nsleep(0.1)\nimport circle.right\nsleep(0.2)\nname = 'left'\n"
    )
    (tmp_path / "circle" / "right.py").write_text(
        "from time import sleep\nsleep(0.2)\nimport circle.left as other\nname = 'right'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    circle, start = Deferred("circle"), Barrier(2)

    def left():
        start.wait()
        return circle.left.name

    def right():
        start.wait()
        return circle.right.other.name

    with ThreadPoolExecutor(2) as threads:
        threads.submit(left)
        assert threads.submit(right).result() == "left"


def test_a_package_is_imported_when_it_is_first_used():
    code = (
        "import sys\nfrom composer.heavy import np, nx, scipy, sklearn, torch, transformers\n"
        f"print({HEAVY} & set(sys.modules))\nnx.DiGraph\nprint({HEAVY} & set(sys.modules))"
    )
    assert run(code) == "set()\n{'networkx'}\n"


def test_no_module_outside_the_engine_imports_a_heavy_package_when_it_is_imported():
    code = (
        "import sys\nfrom importlib import import_module\n"
        "for name in sys.argv[1:]:\n    import_module(name)\n"
        f"print({HEAVY} & set(sys.modules))"
    )
    assert run(code, *outside_the_engine()) == "set()\n"


def test_what_is_read_is_what_the_package_has_and_is_kept():
    code = (
        "import numpy\nfrom composer.heavy import np\n"
        "print(isinstance(numpy.zeros(1), np.ndarray), vars(np)['ndarray'] is numpy.ndarray)"
    )
    assert run(code) == "True True\n"


def test_a_submodule_is_an_attribute_even_where_its_package_does_not_import_it():
    code = "from composer.heavy import Deferred\nprint(Deferred('xml').dom.__name__)"
    assert run(code) == "xml.dom\n"


def test_an_attribute_that_a_package_lacks_is_told_as_the_package_tells_it():
    with pytest.raises(AttributeError, match="module 'xml' has no attribute 'no_such_thing'"):
        _ = Deferred("xml").no_such_thing


def test_a_package_that_is_not_installed_is_told_by_its_name():
    with pytest.raises(ImportError, match="no_such_package") as raised:
        _ = Deferred("no_such_package").anything
    assert raised.value.name == "no_such_package"
