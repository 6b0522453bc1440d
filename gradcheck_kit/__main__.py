"""`python -m gradcheck_kit`: the command line."""

import sys

from gradcheck_kit.cli import main

sys.exit(main())
