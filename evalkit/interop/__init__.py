"""Other harnesses' files, in and out."""
