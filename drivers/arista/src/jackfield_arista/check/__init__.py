"""The command that tries every switch, and says what is wrong and what to do."""
