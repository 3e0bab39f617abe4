"""Recipes served over HTTP: as models that speak the OpenAI protocol, and as a page to look at."""
