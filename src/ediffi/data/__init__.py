"""Data: sources, the pictogram grid, and scenes composed from it."""
