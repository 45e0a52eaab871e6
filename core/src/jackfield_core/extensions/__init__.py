"""API extensions: what is told to clients that ask for an alias before they use a feature."""
