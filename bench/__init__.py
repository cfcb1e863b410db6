"""What the service costs, measured: every figure of ours stands beside the raw one of the same run."""
