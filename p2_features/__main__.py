"""python -m p2_features"""

from lake.cli import main
from p2_features.cli import commands

if __name__ == "__main__":
    main(commands, "p2_features")
