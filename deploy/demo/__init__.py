"""`livewatch demo`: the whole stack with a simulated city, and a summary that lives.

`command` (options), `run` (start, watch, stop), `figures` (what is asked of whom), `view` (how it
is shown).
"""
