"""Who speaks next in a conversation among models: one file a way, a subclass of `Coordinator`."""
