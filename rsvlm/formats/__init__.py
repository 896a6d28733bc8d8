"""Readers of the files of public data sets: what stands in them, and where a fault is.

They know nothing of questions or scores: the data engine makes training records of what
they yield, the evaluation makes samples.
"""
