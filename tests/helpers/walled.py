"""What tests of the sandbox give up where this system cannot hold it."""

from composer.methods.code.programs import Limits
from composer.sandbox.process import missing_walls


def limits(**options):
    """Return limits that give up what is missing here, and nothing else."""
    return Limits(**{"seconds": 20} | options, allow=tuple(missing_walls()))
