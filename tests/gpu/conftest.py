"""Tests for a machine with a CUDA device; elsewhere they skip."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _gpu():
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
