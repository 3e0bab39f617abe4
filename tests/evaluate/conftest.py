"""Fixtures for the tests of reports."""

import pytest

from composer.evaluate import router, worth


@pytest.fixture(scope="module")
def few_draws():
    """Draw 100 bootstrap samples, not 1,000, where a test is not about how sure a figure is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(router, "DRAWS", 100)
        patch.setattr(worth, "DRAWS", 100)
        yield
