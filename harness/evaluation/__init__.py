"""Answers of a model on the benchmarks, and what they are worth.

Generation needs the model and runs in a process of its own; scoring needs neither model nor GPU
and imports no torch.
"""
