"""One module a venue: what to ask, and what the answer means."""
