"""The version that the driver says it is."""

from importlib.metadata import version

VERSION = version("jackfield-driver-arista")
