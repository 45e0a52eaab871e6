"""Audits: what devices hold is compared with the ledger, and what differs is owed again.

``compare`` finds what differs and writes nothing. ``repair`` turns findings into
debts; from there the lanes of the dispatcher pay them like everything else.
``perform`` is both under a lease, with a line in the database of what came of it,
and ``auditor`` does that for every driver again and again. ``preview`` asks a
driver what the delivery of such debts would do to its devices. A ``Subject`` is
the process of a driver that all of them ask: ``subject.of(entry)`` in a core,
``subject.visit(…)`` for a command that has no core around it.
"""
