"""Followups runs AI agents later: say it once, it happens once, the report tells the truth."""

__version__ = "0.1.0"
