"""The dispatcher: carries to each driver what it is owed, until it has acknowledged it."""
