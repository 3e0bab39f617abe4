"""What the source of the installed transformers says of a model type; nothing of it is imported."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from composer.checkpoints.blueprint import OPEN
from composer.checkpoints.constructor import Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Setting", "classes_of", "heads", "mistyped", "package_of", "source_text", "values_of"]


@dataclass(frozen=True)
class Setting:
    """A field of a configuration's class: its default, and its type where that is enforced."""

    name: str
    default: object
    kind: ast.expr | None = None


@lru_cache(maxsize=64)
def source_text(file: str) -> str:
    """Return a file of the package, nothing where it has none."""
    path = _root() / file
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _root() -> Path:
    package = find_spec("transformers")
    places = package.submodule_search_locations if package is not None else None
    return Path(places[0]) if places else Path("nowhere")


@lru_cache(maxsize=64)
def classes_of(file: str) -> Mapping[str, ast.ClassDef]:
    """Return the classes of a file of the package by name."""
    tree = ast.parse(source_text(file))
    return {each.name: each for each in tree.body if isinstance(each, ast.ClassDef)}


@lru_cache(maxsize=8)
def _pairs(file: str, table: str) -> Mapping[str, str]:
    """Return a table of names out of the package's source."""
    text = "".join(source_text(f"models/auto/{each}.py") for each in (file, "auto_mappings"))
    blocks = re.findall(rf"^{table}\b.*?^\)", text, re.DOTALL | re.MULTILINE)
    return dict(re.findall(r'"([^"]+)"(?:,|:) "([^"]+)"', "".join(blocks)))


def package_of(kind: str) -> str:
    """Return the package of transformers that has a model type."""
    named = _pairs("configuration_auto", "SPECIAL_MODEL_TYPE_TO_MODULE_NAME")
    return named.get(kind, kind).replace("-", "_")


def heads() -> Mapping[str, str]:
    """Return the class for causal language models of each model type that has one."""
    return _pairs("modeling_auto", "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES")


def values_of(kind: str, config: Mapping[str, object]) -> dict[str, object]:
    """Return the values of a configuration: what is stated, else the defaults of its class."""
    source, name = _configuration(kind)
    settings = _settings(source.classes.get(name))
    values = {each.name: each.default for each in settings if each.default is not OPEN}
    values |= config
    mapped = source.constant(name, "attribute_map")
    for outer, inner in mapped.items() if isinstance(mapped, dict) else ():
        values[outer] = values[inner] = config.get(outer, values.get(inner))
    return values


def mistyped(kind: str, config: Mapping[str, object]) -> Iterator[str]:
    """Yield what a configuration states that its class would not take."""
    source, name = _configuration(kind)
    for each in _settings(source.classes.get(name)):
        if each.name in config and not _takes(each.kind, config[each.name]):
            yield each.name


def _configuration(kind: str) -> tuple[Source, str]:
    """Return the file of a model type's configuration, and the name of its class there."""
    folder = package_of(kind)
    source = Source(classes_of(f"models/{folder}/configuration_{folder}.py"), {}, 0)
    named = (name for name in source.classes if source.constant(name, "model_type") == kind)
    return source, next(named, "")


def _settings(definition: ast.ClassDef | None) -> Iterator[Setting]:
    """Yield the fields of a configuration's class, or the arguments of its `__init__`."""
    for each in () if definition is None else definition.body:
        match each:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=kind, value=value):
                yield Setting(name, _literal(value), kind)
            case ast.FunctionDef(name="__init__", args=arguments):
                names = [one.arg for one in arguments.args]
                for name, default in zip(names[::-1], arguments.defaults[::-1], strict=False):
                    if isinstance(default, ast.Constant):
                        yield Setting(name, default.value)


def _literal(value: ast.expr | None) -> object:
    return value.value if isinstance(value, ast.Constant) else OPEN


def _takes(kind: ast.expr | None, value: object) -> bool:
    """Say whether an annotation allows a value; what is not plain allows any."""
    match kind:
        case ast.BinOp(left=left, right=right):
            return _takes(left, value) or _takes(right, value)
        case ast.Constant(value=None):
            return value is None
        case ast.Subscript(value=ast.Name(id=name)) | ast.Name(id=name):
            flag = isinstance(value, bool) and name == "int"
            return name not in TYPES or (isinstance(value, TYPES[name]) and not flag)
        case _:
            return True


TYPES: Mapping[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (float,),
    "bool": (bool,),
    "str": (str,),
    "list": (list,),
    "tuple": (list, tuple),
    "dict": (dict,),
}
