"""`python -m photorestore_client`: the same as the program `photorestore`."""

import sys

from photorestore_client.command import main

if __name__ == "__main__":
    sys.exit(main())
