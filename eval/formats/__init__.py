"""Readers of published result files: predictions of others in, ours out."""
