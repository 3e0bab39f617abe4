"""How a person writes a pickle as a file that is read here, in one line of a shell.

Pickles are never loaded by us: reading one may run whatever its author wrote.
"""

from __future__ import annotations

import shlex
from pathlib import Path

__all__ = ["conversion"]

ROUTEREVAL = "_router_dataset"
"""How the names of RouterEval's pickles end; the dataset's name stands before it."""

TABLE = "import pandas, sys; pandas.read_pickle(sys.argv[1]).to_csv(sys.argv[2], index=False)"
VALUE = (
    "import json, pickle, sys{module}; d = pickle.load({opening}); "
    "json.dump({value}, open(sys.argv[2], 'w'), default=lambda a: a.tolist())"
)
POOL = "d['easy'][3]['strong_to_weak'] | {'prompt': d['prompt'], 'dataset': sys.argv[3]}"
POOLS = (
    ". This writes one pool of models; others are 'easy' with 3 or 5 and 'hard' with 10, 100 or "
    "1000 models, each 'all_strong', 'all_weak' or 'strong_to_weak'"
)
OPENING = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\x00": "lzma"}
"""The modules that open packed files, by how these begin."""


def conversion(path: str, raw_head: bytes, head: bytes) -> str:
    """Return the command that converts a pickle, as advice.

    `raw_head` is how the file begins, `head` how its content does. A pickled table of pandas
    becomes CSV, a pickle of RouterEval JSON with one of its pools of models, any other pickle JSON.
    """
    name = Path(path).name.partition(".")[0]
    if b"pandas" in head:
        return _command(TABLE, path, f"{name}.csv") + ", which needs the package pandas"
    module = next((each for start, each in OPENING.items() if raw_head.startswith(start)), None)
    opening = f"{module}.open(sys.argv[1])" if module else "open(sys.argv[1], 'rb')"
    imports = f", {module}" if module else ""
    if not name.endswith(ROUTEREVAL):
        code = VALUE.format(module=imports, opening=opening, value="d")
        return _command(code, path, f"{name}.json")
    dataset = name.removesuffix(ROUTEREVAL)
    code = VALUE.format(module=imports, opening=opening, value=POOL)
    return _command(code, path, f"{dataset}.json", dataset) + POOLS


def _command(code: str, *arguments: str) -> str:
    quoted = " ".join(shlex.quote(each) for each in arguments)
    return f'if you trust the author, run `python -c "{code}" {quoted}`'
