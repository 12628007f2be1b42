"""`python -m backend`: see `backend.command`."""

import sys

from backend.command import main

if __name__ == "__main__":
    sys.exit(main())
