"""`endpoint(...)`: a model behind an OpenAI-compatible server."""

from composer.backends.endpoint.declaration import Endpoint

__all__ = ["Endpoint"]
