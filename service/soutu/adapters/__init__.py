"""What the ports are made of: one family per port, one vendor library each."""
