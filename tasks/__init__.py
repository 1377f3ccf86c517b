"""One module a benchmark; cards in ``conf/task`` name their classes."""
