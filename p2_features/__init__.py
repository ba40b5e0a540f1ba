"""What was knowable? Features of bars, each computed from the past alone."""
