"""One module a peer; `base.py` says what each has to offer."""
