"""The whole product under a virtual clock, where everything that can go wrong does; see docs/reliability.md."""
