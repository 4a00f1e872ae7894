"""Second stage: partials of all partitions into cells, and the wider series of the detector."""
