"""What is trained of a tiny world: the base model, CLIP, and what the base model says of pairs."""
