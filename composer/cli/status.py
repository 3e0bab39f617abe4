"""The exit statuses of the command: one for each kind of end, whichever verb it was."""

from __future__ import annotations

from composer.cli.interrupts import EXIT_INTERRUPTED

__all__ = [
    "EXIT_FAILED",
    "EXIT_INTERRUPTED",
    "EXIT_MISTAKES",
    "EXIT_PARTLY",
    "EXIT_USAGE",
    "STATUSES",
    "status_of",
]

EXIT_MISTAKES, EXIT_USAGE, EXIT_FAILED, EXIT_PARTLY = 1, 2, 3, 4

STATUSES = {
    0: "Success. Also where the reader of the output stops early, as `head` does.",
    EXIT_MISTAKES: "A mistake in a recipe, a model or a file that is read: codes E1 to E5. Also: "
    "`fmt --check` would change a file, `doctor` found a problem.",
    EXIT_USAGE: "Wrong usage: an unknown option, a value that an option cannot have.",
    EXIT_FAILED: "A failure while working, or all queries or rows failed: codes E7 and E8.",
    EXIT_PARTLY: "Some queries or rows failed, others did not.",
    EXIT_INTERRUPTED: "Interrupted by Ctrl-C or SIGTERM.",
}
"""What each exit status means."""


def status_of(code: str) -> int:
    """Return the status of a command that ends with an error of this code."""
    return EXIT_FAILED if code.startswith(("E7", "E8")) else EXIT_MISTAKES
