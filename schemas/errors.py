"""What can be wrong with data that crosses a boundary.

Every message names the field and the rule and never repeats the offending value,
because a refused value may be personal data.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(unsafe_hash=True)  # not frozen: Python writes __traceback__ on an exception
class ContractError(Exception):
    """A whole record or file that does not follow the contract.

    `field` is the column or header at fault, `rule` the rule it broke.
    """

    field: str
    rule: str

    def __str__(self) -> str:
        return f"{self.field}: {self.rule}"


@dataclass(frozen=True)
class RowError:
    """One row of an otherwise good batch that breaks a rule."""

    row: int
    field: str
    rule: str

    def __str__(self) -> str:
        return f"row {self.row}: {self.field}: {self.rule}"
