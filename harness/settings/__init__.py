"""From words to specifications: presets, overrides, requests, ablations."""
