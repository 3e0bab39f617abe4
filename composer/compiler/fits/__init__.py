"""Fits: what the parts of a recipe learnt, kept beside it and bound to it when it is planned."""

from composer.compiler.fits.bind import bind
from composer.compiler.fits.learners import Learner, demand_fitted, find_learners, specification
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
    "demand_fitted",
    "find_learners",
    "fit_path",
    "read_fit",
    "refit_command",
    "specification",
    "write_fit",
]
