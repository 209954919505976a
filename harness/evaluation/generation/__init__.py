"""Answers: questions in batches through lmms-eval and a model, kept as they come."""
