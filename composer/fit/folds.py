"""Cross-validation: predictions for rows that the estimator did not learn from."""

from composer.methods.estimators.folds import Split, by_tag, halves, kinds_of, out_of_fold, shuffled

__all__ = ["Split", "by_tag", "halves", "kinds_of", "out_of_fold", "shuffled"]
