"""The core looks at the worst drivers there are, and must not become like them."""
