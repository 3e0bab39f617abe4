"""Estimators of a cascade: how good each stage is, by the question and the answers so far."""
