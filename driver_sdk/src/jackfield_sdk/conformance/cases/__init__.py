"""The cases, a file for each group of rules; processes and what is judged at the end come last."""
