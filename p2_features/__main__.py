"""python -m p2_features"""

from meta.interrupts import ends_at_once

with ends_at_once():
    from lake.ending import main
    from p2_features.cli import commands

if __name__ == "__main__":
    main(commands, "p2_features")
