"""What is wanted of each switch, in a file that outlives the process."""
