"""The ledger of flags: what happened to each, by whom and why. Pure.

``entry`` is one link of the chain, ``lifecycle`` what may follow what, ``book`` the chain as it
stands, ``roles`` who may do and see what, ``requests`` turns a wish into an entry or a refusal,
``events`` the detectors' events into entries, ``verify`` finds what was tampered with.
"""
