"""`python -m cerradata`."""

import sys

from cerradata.commands.main import main

if __name__ == "__main__":
    sys.exit(main())
