"""Engines: whatever turns messages into a reply."""
