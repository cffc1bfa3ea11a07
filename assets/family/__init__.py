"""The family line: a member's answer, spoken or written, becomes things worth keeping."""
