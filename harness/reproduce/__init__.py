"""The main job: from preference data to the comparison table."""
