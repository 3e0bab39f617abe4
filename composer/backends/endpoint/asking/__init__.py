"""Requests of ours as requests to a server, and its replies as answers of ours."""
