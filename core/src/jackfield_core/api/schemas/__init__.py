"""The shapes of resources on the wire, and their translation to and from what services take and give."""
