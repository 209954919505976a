"""Whether what a run says is what its answers and replies give."""
