"""Drawn scenes with exact truth: layouts, an optical and a radar renderer, paste-in."""
