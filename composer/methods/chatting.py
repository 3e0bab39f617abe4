"""Chat templates in files, which a recipe names for a model."""

from composer.specs.parts import ChatFile


class File(ChatFile):
    """A chat template in a file, such as `template = file("chat.jinja")`."""
