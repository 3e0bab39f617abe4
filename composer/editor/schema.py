"""A JSON schema of recipes in YAML, made from the declarations of steps, parts and backends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from composer.backends import BACKENDS
from composer.compiler.plan.explain import explain_backend, explain_part, explain_step
from composer.editor.shapes import (
    ARGUMENTS,
    Shape,
    either,
    listed,
    mapping,
    option,
    refer,
)
from composer.methods import parts
from composer.steps import STEPS
from composer.syntax.building import TYPES

if TYPE_CHECKING:
    from composer.compiler.plan.explain import Explanation

NAME = {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}
BRANCH_NAME = {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*([-.][A-Za-z0-9_]+)*$"}
WORD = {"type": "string", "pattern": r"^\s*\w+(\s+as\s+\w+)?\s*$"}
SCALAR = {"type": ["string", "number", "boolean"]}
"""A text as it stands; YAML may take it for a number."""

TEXTS = ("text", "template")
LIST_OF = rf"^(list\[)*({'|'.join(TYPES)})\]*$"


def schema() -> Shape:
    """Make the schema."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Ensemble recipe",
        "description": "A recipe in YAML: the models, and how they are combined.",
        **either(refer("recipe"), listed(refer("recipe"))),
        "definitions": {
            "recipe": mapping(_statements()),
            **_values(),
            **_named_things(),
            **_steps(),
            **_parts(),
            **_backends(),
        },
    }


def _statements() -> dict[str, Shape]:
    """Give the keys at the top of a recipe."""
    return {
        "use": _said(either(refer("use"), listed(refer("use"))), "Names from other recipes."),
        "model": _named(refer("backend"), "The models, each under its name in the recipe."),
        "param": _named(refer("param"), "Parameters that can be set with `--set doubt=0.8`."),
        "let": _named(refer("chain"), "Names for expressions."),
        "def": _named(refer("def"), "Expressions with parameters."),
        "default": _said(
            either(refer("expression"), refer("defaults"), listed(refer("defaults"))),
            "Options for all uses of a step.",
        ),
        "example": _said(SCALAR, "The query that is answered if none is given."),
        "answer": _said(refer("chain"), "The answer; a list is a chain."),
    }


def _values() -> dict[str, Shape]:
    """Give what values are made of, whatever they are for."""
    word = "A name, a number, or an expression such as `confidence >= 0.6`."
    branch = mapping({"name": BRANCH_NAME, "value": refer("value")}, ["name", "value"])
    plain: Shape = {"type": ["number", "boolean"]}
    inner = map(refer, ("bank", "text", "call"))
    arguments: Shape = {"type": "object", "additionalProperties": refer("value")}
    return {
        "expression": _said({"type": "string"}, word),
        "text": either(*(mapping({key: SCALAR}, [key]) for key in TEXTS)),
        "branch": either(branch, refer("value")),
        "bank": listed(refer("branch")),
        "value": either(refer("expression"), plain, *inner),
        "chain": either(listed(refer("value")), refer("value")),
        "positions": either(
            listed(refer("value")), refer("expression"), {"type": ["number", "boolean", "null"]}
        ),
        ARGUMENTS: either(refer("positions"), arguments),
    }


def _named_things() -> dict[str, Shape]:
    """Give what stands under `use`, `param` and `def`."""
    names, parameters = either(listed(WORD), WORD), either(listed(_parameter()), _parameter())
    used = mapping({"file": SCALAR, "names": names, "as": NAME}, ["file"])
    types = [each for each in TYPES if each != "list"]
    kind = {"anyOf": [{"enum": types}, {"type": "string", "pattern": LIST_OF}]}
    return {
        "use": {**used, "oneOf": [{"required": ["names"]}, {"required": ["as"]}]},
        "param": mapping({"type": kind, "value": refer("value")}, ["type"]),
        "def": mapping({"parameters": parameters, "value": refer("chain")}, ["value"]),
    }


def _parameter() -> Shape:
    named = {"type": "object", "maxProperties": 1, "additionalProperties": refer("value")}
    return either(NAME, named)


def _steps() -> dict[str, Shape]:
    """Give the steps: what each takes in a call, and which options have defaults for all."""
    public = {name: explain_step(step) for name, step in STEPS.items() if not step.sign}
    first = {name: bool(STEPS[name].arguments) for name in public}
    calls = {name: refer(f"step.{name}") for name in public}
    named = {name: explain_step(step) for name, step in STEPS.items() if step.named}
    bare = {n: either(_options(each), refer("positions")) for n, each in named.items()}
    return {
        "call": {**_one_of(calls), "additionalProperties": refer(ARGUMENTS)},
        "defaults": mapping(bare),
        **{f"step.{n}": _call(each, inputs=first[n]) for n, each in public.items()},
    }


def _parts() -> dict[str, Shape]:
    """Give the parts of each kind."""
    definitions: dict[str, Shape] = {}
    for kind, named in parts().items():
        abouts = {name: explain_part(kind, part) for name, part in named.items()}
        calls = {name: refer(f"part.{kind}.{name}") for name in abouts}
        words = {"enum": list(calls), "description": f"{kind}s without options of their own"}
        definitions[f"part.{kind}"] = either(words, _one_of(calls), refer("expression"))
        definitions |= {f"part.{kind}.{n}": _call(each, inputs=False) for n, each in abouts.items()}
    return definitions


def _backends() -> dict[str, Shape]:
    abouts = {name: explain_backend(backend) for name, backend in BACKENDS.items()}
    calls = {name: refer(f"backend.{name}") for name in abouts}
    return {
        "backend": either(_one_of(calls), refer("expression")),
        **{f"backend.{n}": _call(each, inputs=False) for n, each in abouts.items()},
    }


def _call(about: Explanation, *, inputs: bool) -> Shape:
    """Give what stands behind a call's name: a list of arguments, or a mapping of options."""
    options = _options(about)
    if inputs or about.options:
        options["properties"]["of"] = _said(refer("positions"), "Arguments without a name.")
    first = ", ".join(about.brackets)
    description = about.text.split("\n\n")[0] + (f" Paper: {about.paper}" if about.paper else "")
    positions = _said(refer("positions"), f"In order: {first}" if first else "In order.")
    return {"description": " ".join(description.split()), **either(positions, options)}


def _options(about: Explanation) -> Shape:
    return mapping({name: option(each) for name, each in about.options.items()})


def _one_of(calls: dict[str, Shape]) -> Shape:
    """Give a mapping with one key: a call."""
    return {**mapping(calls), "minProperties": 1, "maxProperties": 1}


def _named(inner: Shape, about: str) -> Shape:
    named = {"type": "object", "propertyNames": NAME, "additionalProperties": inner}
    return _said(named, about)


def _said(inner: Shape, about: str) -> dict[str, Any]:
    # Beside a `$ref` an older reader of schemas looks at nothing else.
    return {"description": about, **({"allOf": [inner]} if "$ref" in inner else inner)}
