"""An operator at the console of the switches, who changes what the driver has made.

Run by the conformance suite: `python by_hand.py change|remove|show MEMORY SWITCH...`, where a SWITCH is
`name,port,user,key,host key`. A port of the conformance host hangs on two interfaces: to change it is to
take its VLAN off one of them, to remove it is to take it off both.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from jackfield_arista.configuration.edit import Edit, PortChange
from jackfield_arista.configuration.model import Configuration, SwitchPort, without
from jackfield_arista.device.session import Safety, Session, Timeouts, connect
from jackfield_arista.device.trust import Trust
from jackfield_arista.inventory.credentials import Credentials


def open_session(text: str) -> Session:
    name, port, user, key, host_key = text.split(",")
    trust = Trust(host_key=host_key)
    return connect("127.0.0.1", int(port), Credentials(user, key_file=Path(key)), trust, Timeouts(), switch=name)


def take_off(configuration: Configuration, vlan: int, ports: list[str]) -> Edit:
    changes = {}
    for port in ports:
        before = configuration.port(port)
        left = without(before.trunk_entries, frozenset({vlan}))
        after = replace(before, trunk_vlans=before.trunk_vlans - {vlan}, entries=left) if left else SwitchPort(port)
        changes[port] = PortChange(before, after)
    return Edit(ports=changes)


def main() -> None:
    verb, id, memory, *switches = sys.argv[1:]
    with closing(sqlite3.connect(memory)) as database:
        found = database.execute("SELECT switch, port, vlan FROM membership WHERE id = ?", (id,)).fetchall()
    for text in switches:
        mine = sorted((port, vlan) for switch, port, vlan in found if switch == text.partition(",")[0])
        ports = [port for port, _ in mine]
        with open_session(text) as session:
            edit = take_off(session.read(), mine[0][1], ports[:1] if verb == "change" else ports)
            session.apply(edit, Safety(save="never"))


if __name__ == "__main__":
    main()
