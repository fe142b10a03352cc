"""Documents to rows of tokens: a tokeniser, tokens on disk, what is held out, and how languages are mixed."""
