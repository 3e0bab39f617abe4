"""Learning from data: fitted parts, and the script that trains the zoo."""
