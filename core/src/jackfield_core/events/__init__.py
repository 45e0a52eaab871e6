"""What drivers observe: streams that the core keeps open, and what it makes of what comes."""
