"""Alignment methods as values: a frozen configuration and a pure loss over log-probabilities.

Nothing here touches a file, a process group, a tokenizer or a log; one file holds one method.
"""
