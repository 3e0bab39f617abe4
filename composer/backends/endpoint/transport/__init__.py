"""Requests over HTTP to the addresses of a server: attempts, paces, cooldowns, and their bills."""
