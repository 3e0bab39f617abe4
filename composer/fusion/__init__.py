"""The batched fusion core: several models advance together as one.

`spec` says what is asked, `engine` answers it: each tick it feeds the rows of all sessions
(`write`, `spans`, `score`) that wait, then lets each `group` say one distribution a row.
A new way to fuse is a small pure function over tensors beside its kin, with its formula and its
paper: how distributions combine in `combine`, what they range over in `space`, how an entry is
drawn in `sample`. A new way to advance is a session.
"""
