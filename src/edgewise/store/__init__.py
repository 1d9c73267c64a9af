"""Content-addressed blobs and the results of steps, kept so that a crash leaves the old state or the new."""
