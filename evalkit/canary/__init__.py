"""What evalkit brings along to be tried without a download: a checkpoint and drawn questions."""
