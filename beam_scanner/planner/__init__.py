"""Which rows every node must make: pure integers, no Beam, no media.

* ``bound``: a graph with the lengths of one job's streams put in.
* ``phases``: where a graph is cut, so that ops that need a whole stream in order do
  not hold up the others.
* ``tasks``: where a job's output rows are cut into tasks.
* ``needs``: the rows that each node must compute for one task.
* ``schedule``: the order of reads, kernel calls and writes inside one task.
* ``forecast``: what all of this comes to, counted without running it.
* ``perf_params``: the packet sizes that users choose.
"""
