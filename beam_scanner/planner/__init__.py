"""Which rows every node must make: pure integers, no Beam, no media.

* ``bound``: a graph with the lengths of one job's streams put in, and the rows that
  each of its nodes must compute for one task.
* ``phases``: where a graph is cut, so that ops that need a whole stream in order do
  not hold up the others.
* ``cut_tasks``: where a job's output rows are cut into tasks.
* ``merge_tasks``: which short streams share a task.
* ``merged_graph``: the bound graphs of several jobs as one.
* ``schedule``: the order of reads, kernel calls and writes inside one task.
* ``forecast``: rows and frames, counted without running anything.
* ``perf_params``: the packet sizes that users choose.
"""
