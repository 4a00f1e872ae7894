"""Disclosure control: which cells of a table may be shown, and which others must go with them.

`rules` finds the cells that say too much by themselves, `cubes` those that must be suppressed with
them so that no reader works them out from totals (docs/adr/0033). Arrays in, masks out.
"""
