"""Published numbers, committed baselines and generated tables."""
