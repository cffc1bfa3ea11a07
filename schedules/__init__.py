"""When work starts by the clock."""
