"""Runs one task: decodes, calls kernels and writes, row by row. No Beam here.

* ``instance``: one kernel and its life: set-up, state, calls, checks.
* ``instance_pool``: kernel instances that later tasks use again.
* ``executor``: carries out a schedule.
* ``log_context``: which stream, op and row a kernel's log line is about.
* ``memory``: gives back what a task has freed.
* ``trace``: what took how long.
"""
