"""The main job, shown: `make demo`.

One story, told with the unmodified ``openstack`` client against a real core and real drivers in
the embedded default (SQLite, Unix sockets). Every command is printed with its output, every
claim is checked, and the first one that fails ends the demo with a non-zero status. With root
and Open vSwitch there are two hosts and machines that ping each other; without, the loopback
driver stands in for them.
"""
