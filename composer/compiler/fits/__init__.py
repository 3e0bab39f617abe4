"""Fits: what the parts of a recipe learnt, kept beside it and bound to it when it is planned."""

from composer.compiler.fits.bind import bind
from composer.compiler.fits.learners import Learner, demand_taught, find, specification
from composer.compiler.fits.manifest import (
    Calibrated,
    FitManifest,
    ManifestEntry,
    Source,
    arrays_path,
    fit_path,
    read_fit,
    write_fit,
)

__all__ = [
    "Calibrated",
    "FitManifest",
    "Learner",
    "ManifestEntry",
    "Source",
    "arrays_path",
    "bind",
    "demand_taught",
    "find",
    "fit_path",
    "read_fit",
    "specification",
    "write_fit",
]
