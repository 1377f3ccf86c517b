"""Scorers: pure functions of strings and numbers, named after the evaluators that they equal."""
