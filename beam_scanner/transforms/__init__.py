"""How a graph runs on Beam.

* ``work``: what a run and its jobs keep in storage while they are not done.
* ``context``: what a worker process knows of a run.
* ``stages``: plan, run and commit, without Beam.
* ``run_graph``: the PTransform made of them.
"""
