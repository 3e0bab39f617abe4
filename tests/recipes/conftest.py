import pytest


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Several test processes on one machine wait for each other's threads."""
    import torch

    torch.set_num_threads(1)
