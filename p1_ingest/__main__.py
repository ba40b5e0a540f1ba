"""python -m p1_ingest"""

from meta.interrupts import ends_at_once

with ends_at_once():
    from lake.ending import main
    from p1_ingest.cli import commands

if __name__ == "__main__":
    main(commands, "p1_ingest")
