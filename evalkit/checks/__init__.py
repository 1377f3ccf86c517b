"""Self-checks of a backend on a few questions: minutes before hours."""
