"""Preference pairs: read, check, enrich and turn into tensors.

Everything that depends on a file, a tokenizer or an image ends here: what leaves this folder is
plain tensors, and every refusal names the file, the row and the reason.
"""
