"""Config groups and the primary configs of the verbs; a card is a file of a group."""
