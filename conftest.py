"""What every run of tests does, of whatever folder: should it be killed, nothing is left of what it has started."""

from support.reaper import watch


def pytest_configure() -> None:
    """Begin before anything is started."""
    watch()
