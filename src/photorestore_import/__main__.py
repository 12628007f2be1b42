"""`python -m photorestore_import`: the same as `photorestore import`."""

import sys

from photorestore_import.command import main

if __name__ == "__main__":
    sys.exit(main())
