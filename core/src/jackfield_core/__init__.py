"""Jackfield core: the Neutron v2.0 API, the database, the ledger and the dispatcher."""
