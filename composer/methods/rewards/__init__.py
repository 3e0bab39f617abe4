"""Rewards of partial answers, by which `process_fuse` chooses the steps to go on with."""
