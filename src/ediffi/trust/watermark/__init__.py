"""A mark in the pixels that outlives what strips metadata: 128 coded bits, spread by a key."""
