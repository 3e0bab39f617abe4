"""Fits: what the parts of a recipe learnt, kept beside it and bound to it when it is planned."""

from composer.compiler.fits.bind import bind, with_fits
from composer.compiler.fits.costs import (
    choices_of,
    demand_costs,
    fitted_costs,
    learns_when_asked,
    routes_by_cost,
)
from composer.compiler.fits.learners import (
    Learner,
    demand_fitted,
    find_learners,
    learners_of,
    specification,
)
from composer.compiler.fits.manifest import (
    CalibratedOption,
    FitData,
    FitManifest,
    ManifestEntry,
    arrays_path,
    fit_path,
    read_fit,
    refit_command,
    write_fit,
)

__all__ = [
    "CalibratedOption",
    "FitData",
    "FitManifest",
    "Learner",
    "ManifestEntry",
    "arrays_path",
    "bind",
    "choices_of",
    "demand_costs",
    "demand_fitted",
    "find_learners",
    "fit_path",
    "fitted_costs",
    "learners_of",
    "learns_when_asked",
    "read_fit",
    "refit_command",
    "routes_by_cost",
    "specification",
    "with_fits",
    "write_fit",
]
