"""Between the wire and the values that hooks see; `decode` is the way in, `encode` the way out."""
