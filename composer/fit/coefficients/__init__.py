"""Training of a merge's coefficients: searches over points, and AdaMerging by gradient."""
