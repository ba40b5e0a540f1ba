"""python -m lake"""

from lake.cli import main
from lake.commands import commands

if __name__ == "__main__":
    main(commands, "lake")
