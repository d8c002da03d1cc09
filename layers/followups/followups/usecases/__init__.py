"""What Followups does: each use case reads, lets the domain decide, commits, and returns facts. They log nothing."""
