"""The parts of a gate: its settings, what may be compared, the verdict, and how it is told."""
