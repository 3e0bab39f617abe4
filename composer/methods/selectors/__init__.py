"""Scores of candidates that are learned from how good the answers of all members were."""
