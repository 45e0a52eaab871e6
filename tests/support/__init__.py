"""What the tests of several distributions share: processes and a throw-away PostgreSQL.

Not distributed. ``tests/`` is on pytest's ``pythonpath``, so this is ``import support``.
"""
