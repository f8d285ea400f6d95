"""Prompts in other languages, and which words a model was taught."""
