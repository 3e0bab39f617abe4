"""How code of ours gets into a new interpreter: compiled, read from a file that is already open.

Nothing of the project is on its path there.
"""

from __future__ import annotations

import json
import marshal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

FLAGS = ("-I", "-S", "-B", "-X", "utf8", "-c")
"""How the interpreter is started: isolated, without packages, and what to run comes next."""

BOOT = """
import json, marshal, os, sys, types
end = int(sys.argv[1])
def read(count):
    data = b""
    while len(data) < count:
        data += os.read(end, count - len(data)) or sys.exit("the start is cut off")
    return data
start = json.loads(read(int(read(16))))
if end:
    os.close(end)
for name, code in start["codes"].items():
    module = sys.modules[name] = types.ModuleType(name)
    package, _, short = name.rpartition(".")
    sys.modules.setdefault(package, types.ModuleType(package)).__dict__[short] = module
    exec(marshal.loads(bytes.fromhex(code)), module.__dict__)
sys.modules["composer.sandbox.process." + start["role"]].main(start["task"])
"""
"""The program of a new interpreter, which is given the number of that file."""


def compiled(name: str, source: str) -> str:
    """Compile a module, for an interpreter of the same version."""
    return marshal.dumps(compile(source, f"{name}.py", "exec", dont_inherit=True)).hex()


def message(codes: Mapping[str, str], role: str, task: Mapping[str, Any]) -> bytes:
    """Return what BOOT reads: its length, modules by name, which one runs, and its task."""
    data = json.dumps({"codes": codes, "role": role, "task": task}).encode()
    return b"%016d" % len(data) + data
