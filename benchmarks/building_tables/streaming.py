"""What a merge of three large checkpoints takes, beside reading and writing the same bytes.

Each row is a process of its own. The files of the members are not in memory when it begins. The
memory is the most that the process held (`ru_maxrss`).
"""

from __future__ import annotations

SIZE, MEMBERS = 4, 3

COPY = """
import os
from pathlib import Path
*donors, out = map(Path, sys.argv[1:])
block = bytearray(8 << 20)
def copy(file, to):
    with file.open("rb", buffering=0) as stream:
        while count := stream.readinto(block):
            if to is not None:
                to.write(memoryview(block)[:count])
for donor in donors:
    for file in sorted(donor.glob("*.safetensors")):
        if donor is not donors[0]:
            copy(file, None)
            continue
        with (out / file.name).open("wb") as to:
            copy(file, to)
            to.flush()
            os.fsync(to.fileno())
"""

MERGE = """
from pathlib import Path
from composer.backends.hf import HF
from composer.engine.weights.building import export
from composer.methods import edits
from composer.specs import Declared, Merge
from building_tables.streaming import EDITS
*donors, out = sys.argv[1:]
names = tuple("abc"[:len(donors)])
models = tuple(Declared(n, HF(path=d)) for n, d in zip(names, donors))
model = Merge(models, names, None, EDITS["average"]())
export(model, Path(out) / "made", lambda digests: "")
"""
