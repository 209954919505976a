"""What a decoder layer computes number by number: norms, gated activations and rotations, fused."""
