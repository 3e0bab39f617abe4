"""Tokenizers of published models, from the folder shared/data; each is read once a process."""

import time
from functools import cache
from pathlib import Path

import pytest

from composer.checkpoints.vocabulary import Vocabulary

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "tokenizers"
SECONDS = {}
"""What making each vocabulary took of the processor."""


def there():
    """Skip what needs the tokenizers where they are not."""
    if not FOLDER.is_dir():
        pytest.skip("the folder shared/data is not beside this checkout")


@cache
def vocabulary_of(name):
    """Return the vocabulary of a tokenizer by the name of its folder."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(FOLDER / name / "tokenizer.json"))
    start = time.process_time()
    vocabulary = Vocabulary(tokenizer, name)
    SECONDS[name] = time.process_time() - start
    return vocabulary
