"""Addresses: which ones a subnet has, and who gets which."""
