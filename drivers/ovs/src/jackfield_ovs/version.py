"""The version that the driver and the agent say they are."""

from importlib.metadata import version

VERSION = version("jackfield-driver-ovs")
