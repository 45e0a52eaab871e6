"""`jackfield-sdk new NAME`: a driver project that conforms from its first minute."""
