"""`python -m composer` is the command `compose`."""

from composer.cli import main

main()
