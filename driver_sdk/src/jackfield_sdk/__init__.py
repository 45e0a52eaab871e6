"""The Jackfield driver SDK."""
