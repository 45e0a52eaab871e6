"""Logs and metrics, set up once by the application."""
