"""python -m reports"""

from lake.cli import main
from reports.cli import commands

if __name__ == "__main__":
    main(commands, "reports")
