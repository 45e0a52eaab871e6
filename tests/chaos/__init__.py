"""Pull every plug under load, at random but repeatably, and see whether the truth survives.

A :class:`~chaos.site.Site` runs everything as real processes: drivers, core processes, agents, the
database. Clients (:mod:`~chaos.load`) work on it and keep a journal of what they were promised,
while strikes (:mod:`~chaos.strikes`) hit one part after the other as a seed decides. Then all is
healed, and a reader that shares no code with the core (:mod:`~chaos.verdict`) compares the rows of
the database, the files of the fabrics and of the hosts, and the journal, until nothing is wrong any
more or the time is over.

    make chaos SECONDS=600 SEED=7
"""
