"""One switch over NETCONF: a session that is opened, looked through, and makes an edit true or leaves no trace."""
