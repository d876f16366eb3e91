"""``python -m flows`` is ``c2m``."""

import sys

from flows.cli import main

sys.exit(main())
