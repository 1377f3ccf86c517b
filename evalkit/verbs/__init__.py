"""Verbs of the command line: thin, each importing what it needs when it runs."""
