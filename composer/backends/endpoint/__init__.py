"""`endpoint(...)`: a model behind an OpenAI-compatible server."""
