"""Pictures by address: fetched from the hosts that are allowed, and from nowhere inside."""
