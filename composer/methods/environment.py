"""The key of a service, as a recipe names it: `key = env("NAME")`."""

from composer.specs.parts import Key

__all__ = ["Environment"]


class Environment(Key):
    """A key in a variable of the environment, such as `key = env("OPENAI_API_KEY")`.

    The recipe holds the variable's name, never the key.
    """
