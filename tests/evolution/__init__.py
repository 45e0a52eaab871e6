"""Yesterday's conversations, replayed against today's code.

    python -m evolution record        # record the drivers of today, all of them
    python -m evolution show FILE     # read a recording

A recording holds what one core and one driver said to each other while a fixed story went on, as
the bytes that were on the wire. `replayer` serves it as a driver to the core of today, which must
get to the same end; `test_replay` plays the core's half to the drivers of today.
"""
