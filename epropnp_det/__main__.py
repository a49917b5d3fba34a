"""`python -m epropnp_det` is the command `epropnp`."""

import sys

from epropnp_det.console.command import main

sys.exit(main())
