"""The core's side of the driver contract: who the drivers are, and how they are asked.

``registry`` keeps a live connection to every configured driver and knows what
each one wants to hear. ``translate`` turns rows into messages, ``verdicts``
turns answers into values and refuses what breaks the contract, and ``manager``
asks: for a verdict inside a transaction, for delivery after it, for bindings
outside of it.
"""
