"""The Jackfield contract: generated messages and services."""
