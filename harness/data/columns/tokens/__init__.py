"""Columns of a number per token: spans of the responses, given in the data or computed."""
