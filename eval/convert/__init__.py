"""Readers of upstream benchmark layouts: files of others in, samples out."""
