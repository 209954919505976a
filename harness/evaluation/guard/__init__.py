"""General ability beside hallucination: lmms-eval's own tasks and scorers on the same model."""
