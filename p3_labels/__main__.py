"""python -m p3_labels"""

from meta.interrupts import ends_at_once

with ends_at_once():
    from lake.ending import main
    from p3_labels.cli import commands

if __name__ == "__main__":
    main(commands, "p3_labels")
