"""Learning from data: what `compose fit` does, and the script that trains the zoo.

`fitting.fit` finds the trainable parts of a recipe, calls the trainer of each, and writes the fit
file. `estimators` trains a route's estimator: `outcomes` gives the labels, `folds` the predictions
of left-out rows, `validation` says how good these are, `shrinkage` how far they are trusted on
unlike queries, and `calibrate` sets the policy's tunable option (`gains`: what that is worth).
`fuses` trains parts of a fuse by the functions of `tokens`. `online` keeps what a route learns
while it is used.
"""
