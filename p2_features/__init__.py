"""What was knowable? Features of bars, each computed from the past alone."""

from lake import compiled

compiled.prepare()
