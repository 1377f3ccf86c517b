"""How requests reach a backend: planned into groups that share media, on one device or many."""
