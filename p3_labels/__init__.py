"""What happened next? Labels of bars, each resolved by the tape that followed."""

from lake import compiled

compiled.prepare()
