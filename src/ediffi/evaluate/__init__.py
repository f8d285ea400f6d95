"""Evaluation: judges that no training sees, colours, edges, and the protocols made of them."""
