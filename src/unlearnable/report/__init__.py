"""Tables and pictures of what was done and found. No torch."""
