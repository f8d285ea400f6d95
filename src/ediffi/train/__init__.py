"""Training of one stage: examples, loop, exact resume."""
