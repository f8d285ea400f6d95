"""Proof of origin: what a file says of itself, signed; a mark in the pixels; and how both are
checked."""
