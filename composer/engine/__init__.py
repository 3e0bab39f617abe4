"""The engine: local models generate and score together, in shared forward passes.

How one token of an answer comes about:

1. `engine.Engine.generate` queues a job. Once its models are in memory (`pool`), the job is a
   session: a coroutine in `sessions/` that awaits requests, such as `requests.draw.Draw`.
2. `step.engine_step` takes the requests of all sessions. Each says which tokens its models must
   read (`requests/`), and each model reads them in one forward pass (`rows/`).
3. The request's `group` aligns, weights and combines the members' distributions into one, along
   the tree of fuses (`fuse_tree`, `distribution`).
4. `sample` draws an entry of it, a token of the members' shared vocabulary. The session appends it
   to its `sequence`, which gives each model its own tokens for it, and draws the next one.

How distributions are aligned, weighted, combined and drafted are parts of a recipe, one file each
in `composer/methods`.
"""
