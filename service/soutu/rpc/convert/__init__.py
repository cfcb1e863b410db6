"""Between the contract's messages and the domain's values: nowhere else do the two meet."""
