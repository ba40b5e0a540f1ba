"""python -m reports"""

from meta.interrupts import ends_at_once

with ends_at_once():
    from lake.ending import main
    from reports.cli import commands

if __name__ == "__main__":
    main(commands, "reports")
