"""python -m lake"""

from meta.interrupts import ends_at_once

with ends_at_once():
    from lake.cli import main
    from lake.commands import commands

if __name__ == "__main__":
    main(commands, "lake")
