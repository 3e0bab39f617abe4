"""The batched fusion core: several models advance together as one.

`spec` says what is asked, `engine` answers it: each tick it feeds the rows of all `sessions`
that wait, then lets each `group` say one distribution a row. What a fuse is made of are small
functions over tensors, one obvious place each, with their formula and their paper: what the
distributions range over in `align`, how members weigh in `weigh`, when they are asked in `gate`,
how they combine in `combine`, how an entry is drawn in `sample`. A `Part` of `spec` names such a
function. A new way to advance is a session: a coroutine that awaits `requests`, of which each kind
says what it reads and how it is answered.
"""
