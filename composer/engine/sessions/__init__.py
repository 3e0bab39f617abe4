"""Ways to generate and score, one file each: coroutines that await requests to engine steps."""
