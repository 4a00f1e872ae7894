"""Documents made from the contract's one declaration: `schemas/generated/` and `docs/contract.md`.

Pure: each function returns what a file must hold. `make contract` writes them.
"""
