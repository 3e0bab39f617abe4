"""What a session may ask of a tick: the plain requests, and inquiries that answer themselves."""
