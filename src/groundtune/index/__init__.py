"""Documents to passages, kept with their words and vectors, in step with the sources."""
