"""What a student learns of its teachers, and how: the parts of `distill`."""
