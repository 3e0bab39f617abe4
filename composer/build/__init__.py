"""Models whose weights are trained here: what `compose build` does before it writes a checkpoint.

`distilling.distill` trains a student: `corpus` reads the documents, `teacher_outputs` stores the
teachers' distributions there, `targets` aligns them with the student's tokens, `losses` compares,
and `training` changes the weights. `shards` keeps what is done, so that an interrupted build goes
on where it was. Like
the engine these modules import torch as usual; verbs import them when a training begins.
"""
