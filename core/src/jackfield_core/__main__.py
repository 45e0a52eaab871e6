"""``python -m jackfield_core`` is ``jackfield``."""

from jackfield_core.cli import main

main()
