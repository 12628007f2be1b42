"""`python -m gateway.backend`: see `gateway.backend.command`."""

import sys

from gateway.backend.command import main

if __name__ == "__main__":
    sys.exit(main())
