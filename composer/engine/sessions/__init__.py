"""Ways to advance, one file each: a session asks, and is answered once a tick."""
