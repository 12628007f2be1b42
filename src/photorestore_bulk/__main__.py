"""`python -m photorestore_bulk`: the same as `photorestore bulk`."""

import sys

from photorestore_bulk.command import main

if __name__ == "__main__":
    sys.exit(main())
