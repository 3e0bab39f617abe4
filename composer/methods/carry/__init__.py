"""What the next stage of a cascade is told beside the question."""
