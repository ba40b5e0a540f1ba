"""python -m p1_ingest"""

from lake.cli import main
from p1_ingest.cli import commands

if __name__ == "__main__":
    main(commands, "p1_ingest")
