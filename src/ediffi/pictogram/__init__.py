"""The default model's data: the pictogram grid, and scenes composed from it."""
