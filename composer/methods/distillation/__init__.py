"""What a student is trained to by its teachers, and how: the parts of `distill`."""
