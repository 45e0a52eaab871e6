"""Plugs an interface as a compute service does: with os-vif, and what the API says of the port.

A program of its own, ``python os_vif_plug.py plug|unplug PORT.json SETTINGS.conf``, because os-vif
works on the network namespace that it runs in, and lives in a virtual environment of its own. So it
imports nothing of ours. It knows of the host nothing but the endpoint of its OVSDB, which stands in
the settings; all else comes from the port's implementation details.
"""

import json
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import os_vif
from os_vif import objects
from oslo_config import cfg
from vif_plug_ovs import privsep


def vif_of(details: Mapping[str, Any]) -> Any:
    """Translate implementation details of a port, as Nova translates ``binding:*`` of a port."""
    binding, told = details["binding"], details["binding"]["vif_details"]
    if binding["vif_type"] != "ovs" or told["ovs_hybrid_plug"]:
        raise ValueError(f"this program plugs nothing but ovs without a bridge, and not {binding}")
    return objects.vif.VIFOpenVSwitch(
        id=details["id"],
        address=details["mac_address"],
        vif_name=f"tap{details['id']}"[:14],
        bridge_name=told["bridge_name"],
        plugin="ovs",
        has_traffic_filtering=told["port_filter"],
        preserve_on_delete=False,
        active=False,
        network=objects.network.Network(
            id=details["network_id"],
            bridge=told["bridge_name"],
            mtu=details["mtu"],
            subnets=objects.subnet.SubnetList(objects=[]),
        ),
        port_profile=objects.vif.VIFPortProfileOpenVSwitch(
            interface_id=details["id"], datapath_type=told["datapath_type"], create_port=True
        ),
    )


def main(action: str, port: str, settings: str) -> None:
    """Plug or unplug the port whose details are in the file *port*."""
    # Without this os-vif would start a helper through sudo; this program has the rights itself.
    privsep.vif_plug.set_client_mode(False)
    cfg.CONF(["--config-file", settings], project="os_vif")
    os_vif.initialize()
    act = {"plug": os_vif.plug, "unplug": os_vif.unplug}[action]
    vif = vif_of(json.loads(Path(port).read_text()))
    act(vif, objects.instance_info.InstanceInfo(uuid=str(uuid.uuid4()), name="machine"))


if __name__ == "__main__":
    main(*sys.argv[1:])
