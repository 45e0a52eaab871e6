"""`python -m jackfield_sdk.examples.loopback`, the same as `jackfield-loopback`."""

from jackfield_sdk.examples.loopback.cli import main

main()
