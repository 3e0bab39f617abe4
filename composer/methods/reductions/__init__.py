"""Ways to count votes beside plurality and medoid, one file a method."""
