"""What crosses a boundary: the telemetry contract, code lists and warehouse DDL.

Imports nothing of ours; everything else imports from here.
"""
