"""Numbers that say how sure an answer is: one file a signal, those read off an answer in one."""
