"""The one place that holds the version of this distribution."""

from importlib.metadata import version

VERSION = version("jackfield-driver-linuxbridge")
