"""A simulated day in the warehouse, and its figures again from the raw rows alone."""
