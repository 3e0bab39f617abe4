"""Weights in memory: loading a checkpoint, and building one that is derived from others."""
