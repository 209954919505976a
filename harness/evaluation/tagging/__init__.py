"""Nouns and lemmas, as the published scripts find them."""
