"""Policies for `route`: how estimates of quality and cost become a decision."""
