"""A model behind HTTP: an engine that draws for many at once, jobs, and the studio's page."""
