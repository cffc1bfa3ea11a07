"""Search over what an owner keeps, by meaning and by words, and the indexes for it."""
