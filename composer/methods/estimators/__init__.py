"""Estimators: how good, and how expensive, each choice of a route will be for a query.

One file a method. `base` has the classes to subclass: `Estimator` decides from the query alone,
`Learned` is fitted on recorded outcomes (`values.Labels`) and gives `values.Predictions`, `Online`
is updated while it is used. `features` and `shapes` turn queries into vectors.
"""
