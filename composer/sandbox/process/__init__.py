"""Programs that models wrote, run in processes of their own behind walls and under limits.

`running.py` is the way in. All other files but `jobs.py` run in the new processes, where nothing
else of this project is: `guard.py` starts and watches, `walls.py` shuts the processes in,
`worker.py` runs the program, `tester.py` its tests, and `plain.py` carries values between the two.
The tests run in another process than the program, which can neither read nor answer them.
"""

from composer.sandbox.process.jobs import LIMITS, WALLS, Bounds, Job, Outcome, Record, WallError
from composer.sandbox.process.running import missing_walls, run, run_blocking

__all__ = [
    "LIMITS",
    "WALLS",
    "Bounds",
    "Job",
    "Outcome",
    "Record",
    "WallError",
    "missing_walls",
    "run",
    "run_blocking",
]
