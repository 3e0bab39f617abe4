"""What others wrote, such as templates and patterns, run under limits of time and size."""
