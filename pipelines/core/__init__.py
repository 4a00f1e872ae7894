"""The pure core: arrays and times in, figures and flags out."""
