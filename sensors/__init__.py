"""When work starts by itself: on new records and on what has become due again."""
