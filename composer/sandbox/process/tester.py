"""Runs tests against a program that is in another process, and tells what came of each.

The program answers calls with plain values and with handles of what is none. Nothing that it does,
such as ending early or printing, can make a test pass. This file runs inside the sandbox and
imports nothing else of the project but `plain.py`.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import json
import sys
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any

from composer.sandbox.process.plain import canonical, dumps, pack, unpack

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterator

_CHECK = "__check"
_LONGEST = 200

LIMITS = ("memory", "processes", "files", "folder", "network")
"""The limits that an error of a program may speak of."""


class ProgramEnded(BaseException):
    """The program has ended before its tests did; nothing in a test may catch this."""


class ProgramError(Exception):
    """An exception of the program whose type is not one of Python's own."""


class Channel:
    """Puts requests to the program."""

    def __init__(self, stream: io.BufferedRWPair) -> None:
        self.stream = stream
        self.limit: str | None = None

    def read(self) -> dict[str, Any]:
        """Read a message of the program."""
        line = self.stream.readline()
        if not line.endswith(b"\n"):
            raise ProgramEnded
        message = dict(json.loads(line))
        if "error" in message:
            error = error_of(message)
            self.limit = error["limit"]
            raise _exception(str(error["type"]), str(error["text"]))
        return message

    def ask(self, **request: object) -> Any:  # noqa: ANN401 - any value
        """Put a request, and return its value."""
        return unpack(self._put(request)["value"], self._fetch)

    def call(self, target: dict[str, object], args: tuple[Any, ...], kwargs: Any) -> Any:  # noqa: ANN401 - idem
        """Call something; lists, sets and dicts that it has changed are changed here, too."""
        arguments, options = pack(list(args), _handle), pack(kwargs, _handle)
        reply = self._put({"verb": "call", **target, "arguments": arguments, "options": options})
        for mine, packed in zip(args, reply.get("arguments", ()), strict=False):
            _update(mine, unpack(packed, self._fetch))
        return unpack(reply["value"], self._fetch)

    def _put(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            self.stream.write(dumps(request))
            self.stream.flush()
        except OSError:
            raise ProgramEnded from None
        return self.read()

    def _fetch(self, handle: int, name: str) -> object:
        return Remote(self, {"handle": handle}, name)


class Remote:
    """Something of the program that is no plain value; it is equal to nothing but its own kind."""

    __slots__ = ("_channel", "_name", "_target")

    def __init__(self, channel: Channel, target: dict[str, object], name: str) -> None:
        self._channel, self._target, self._name = channel, target, name

    def __call__(self, *args: object, **kwargs: object) -> Any:  # noqa: ANN401 - any value
        """Call it, if it can be called."""
        return self._channel.call(self._target, args, kwargs)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any value
        return self._channel.ask(verb="attribute", attribute=name, **self._target)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._channel.ask(verb="items", **self._target))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Remote) and self.__getattr__("__eq__")(other) is True

    def __bool__(self) -> bool:
        return self._channel.ask(verb="truth", **self._target) is True

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"<{self._name}>"


class _NamedLikeModule(Remote):
    """Something of the program with the name of a module of Python, as which it cannot pose."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any value
        if not name.startswith("__") and hasattr(import_module(self._name), name):
            raise ProgramError(f"the program redefines `{self._name}.{name}`, which the tests use")
        return super().__getattr__(name)


def _forward(name: str) -> Callable[..., Any]:
    def method(self: Remote, *args: object) -> object:
        if name in _ORDERS and not isinstance(args[0], Remote):
            return NotImplemented
        try:
            return self.__getattr__(name)(*args)
        except AttributeError as error:
            raise TypeError(str(error)) from None

    return method


_ORDERS = ("__lt__", "__le__", "__gt__", "__ge__")
"""Comparisons with a plain value, of which the program has no say: `abs(f(2) - 4) < 1e-6`."""

_OPERATIONS = (
    *("len", "getitem", "setitem", "delitem", "contains", "str", "next", "enter", "exit"),
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "neg", "abs"),
)

for _name in (*_ORDERS, *(f"__{name}__" for name in _OPERATIONS)):
    setattr(Remote, _name, _forward(_name))


class _Redefined:
    """A name of Python's own that the program has given to something else: no test may use it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *_args: object, **_options: object) -> None:
        raise ProgramError(f"the program redefines `{self.name}`, which the tests use")


def main(task: dict[str, Any], channel: io.BufferedRWPair, verdicts: IO[bytes]) -> None:
    """Run the tests of a task; each verdict is one line."""
    Tests(Channel(channel), verdicts).run(task)


class Tests:
    """One run of tests."""

    def __init__(self, channel: Channel, verdicts: IO[bytes]) -> None:
        self.channel, self.verdicts = channel, verdicts
        self.checked = False

    def run(self, task: dict[str, Any]) -> None:
        """Wait until the program is loaded, run all tests, and say that they have ended."""
        try:
            scope = self._names() | {_CHECK: self._check, "__name__": "tests"}
            for expression in task["values"]:
                self._value(expression, scope)
            for source, code in pieces(task["tests"] or ""):
                self._piece(source, code, scope)
            for name, value in list(scope.items()):
                if name.startswith("test_") and callable(value) and not isinstance(value, Remote):
                    self._piece(f"{name}()", compile(f"{name}()", "tests.py", "exec"), scope)
            self._tell(end=True)
        except ProgramEnded:
            self._tell(end=False)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
            self._tell(end=False, why=_why(error), limit=self.channel.limit)

    def _names(self) -> dict[str, Any]:
        channel = self.channel
        scope: dict[str, Any] = {}
        for name, kind in channel.read()["names"].items():
            verb, _, module = str(kind).partition(" ")
            if name.startswith("__"):
                continue
            if verb == "module" and module in sys.stdlib_module_names:
                scope[name] = import_module(module)
            elif hasattr(builtins, name):
                scope[name] = _Redefined(name)
            else:
                value = channel.ask(verb="value", name=name) if verb == "value" else None
                like = _NamedLikeModule if name in sys.stdlib_module_names else Remote
                by_name = verb != "value" or isinstance(value, Remote)
                scope[name] = like(channel, {"name": name}, name) if by_name else value
        return scope

    def _value(self, expression: str, scope: dict[str, Any]) -> None:
        try:
            value = eval(expression, scope)  # noqa: S307 - it is what a sandbox is for
            self._tell(test=expression, passed=True, value=canonical(value))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            self._fail(expression, error)

    def _piece(self, source: str, code: Any, scope: dict[str, Any]) -> None:  # noqa: ANN401 - a code object
        """Run one statement; without an assertion in it, it is told only if it fails."""
        try:
            exec(code, scope)  # noqa: S102 - idem
        except ProgramEnded:
            raise
        except BaseException as error:  # noqa: BLE001 - idem
            self._fail(source, error)

    def _check(self, source: str, error: BaseException | None) -> None:
        if isinstance(error, ProgramEnded):
            raise error
        if error is None:
            self._tell(test=source, passed=True)
        else:
            self._fail(source, error)

    def _fail(self, source: str, error: BaseException) -> None:
        limit, self.channel.limit = self.channel.limit, None
        self._tell(test=source, passed=False, why=_why(error), limit=limit)

    def _tell(self, **verdict: object) -> None:
        self.verdicts.write(dumps(verdict))
        self.verdicts.flush()


def pieces(script: str) -> Iterator[tuple[str, Any]]:
    """Yield each statement of a script, in which each assertion is told of by itself."""
    tree = ast.parse(script)
    for statement in tree.body:
        source = ast.unparse(statement)[:_LONGEST]
        body = ast.Module([_Checked().visit(statement)], [])
        yield source, compile(ast.fix_missing_locations(body), "tests.py", "exec")


class _Checked(ast.NodeTransformer):
    """Puts each assertion between a `try` that tells what came of it."""

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        if isinstance(node.test, ast.Constant) and node.test.value:
            return node
        source = repr(ast.unparse(node.test)[:_LONGEST])
        text = (
            f"try:\n    pass\nexcept BaseException as __error:\n    {_CHECK}({source}, __error)\n"
            f"else:\n    {_CHECK}({source}, None)\n"
        )
        attempt = ast.parse(text).body[0]
        if isinstance(attempt, ast.Try):
            attempt.body = [node]
        return attempt


def error_of(message: dict[str, Any]) -> dict[str, str | None]:
    """Return what a program says of its error, and nothing else that it may have put there."""
    error = message["error"]
    limit = error["limit"] if error["limit"] in LIMITS else None
    return {"type": str(error["type"])[:100], "text": str(error["text"])[:500], "limit": limit}


def _exception(kind: str, text: str) -> Exception:
    builtin = getattr(builtins, kind, None)
    if isinstance(builtin, type) and issubclass(builtin, Exception):
        with contextlib.suppress(TypeError):
            return builtin(text)
    return ProgramError(f"{kind}: {text}")


def _why(error: BaseException) -> str:
    if isinstance(error, AssertionError):
        return str(error)[:_LONGEST]
    name = "" if isinstance(error, ProgramError) else f"{type(error).__name__}: "
    return f"{name}{error}"[:_LONGEST].removesuffix(": ")


def _handle(value: object) -> int:
    if isinstance(value, Remote):
        target, channel = value._target, value._channel  # noqa: SLF001 - of this file
        if "handle" in target:
            return int(str(target["handle"]))
        return _handle(channel.ask(verb="value", **target))
    raise TypeError(f"a value of type {type(value).__name__} cannot be given to the program")


def _update(mine: object, theirs: object) -> None:
    """Make a list, a set or a dict what the program has made of it."""
    if isinstance(mine, list) and isinstance(theirs, list):
        mine[:] = theirs
    elif isinstance(mine, set) and isinstance(theirs, set):
        mine.clear()
        mine |= theirs
    elif isinstance(mine, dict) and isinstance(theirs, dict):
        mine.clear()
        mine.update(theirs)
