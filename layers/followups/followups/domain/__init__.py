"""What Followups knows: entities, their one transition table, and the decisions. No I/O, no clock."""
