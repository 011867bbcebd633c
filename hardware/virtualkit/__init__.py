"""The virtual kit: byte-level models of every part, and the real firmware run against them."""
