"""One model's rows: texts of unlike lengths that share its forward passes."""
