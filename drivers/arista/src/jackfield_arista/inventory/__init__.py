"""What the operator says about switches, groups, credentials and cables, and the file in which it is said."""
