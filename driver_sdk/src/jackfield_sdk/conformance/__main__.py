"""`python -m jackfield_sdk.conformance`, the same as `jackfield-conformance`."""

from jackfield_sdk.conformance.cli import main

main()
