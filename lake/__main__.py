"""python -m lake"""

from meta.interrupts import ends_at_once

with ends_at_once():
    from lake.commands import commands
    from lake.ending import main

if __name__ == "__main__":
    main(commands, "lake")
