"""Programs and statements that models wrote: run, verified, compared by what they do."""
