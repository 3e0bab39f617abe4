"""What `compose chat` is made of: the conversation, its commands, and how answers are shown."""
