"""More at once than there is time for: what is measured, and what must hold all the same. `python -m tests.overload`."""
