"""The Neutron v2.0 REST API: parse a request, call a service, render its answer."""
