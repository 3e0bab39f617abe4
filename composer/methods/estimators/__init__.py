"""Estimators of quality for `route`: what each choice would be worth on a query."""
