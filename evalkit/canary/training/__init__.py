"""How the canary was trained: ``python -m evalkit.canary.training`` makes its weights anew.

Not needed to run it. ``questions`` makes drawn rows into token ids and pixels, ``network`` runs the
model on many questions about one picture at once, ``loop`` trains, ``vocabulary`` makes the
tokenizer's merges.
"""
