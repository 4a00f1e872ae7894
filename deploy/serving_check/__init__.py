"""`make serving-check`: what people see is right, goes to whom it belongs, and to nobody else."""
