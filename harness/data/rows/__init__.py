"""Packed rows: what of a pair's text and image stands where in the tensors."""
