"""How fast? Side by side with named peers, both sides in one run."""
