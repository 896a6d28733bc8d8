"""Training recipes: ``tune`` (projector and language model) and ``regions``."""
