"""What a session may ask of an engine step: each kind says what it reads and how it is answered."""
