"""torchrun that reports a failed process in one line, below the output of that process, and a port
that is taken.

Used by dist_train.sh and dist_test.sh; takes torchrun's arguments.
"""

from __future__ import annotations

import logging
import sys

from torch.distributed import run
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.elastic.rendezvous import RendezvousConnectionError

from epropnp_det.errors import USER_ERROR_EXIT_CODE


def main(arguments: list[str]) -> int:
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    try:
        run.main(arguments)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode != USER_ERROR_EXIT_CODE:
            print(f"error: process {rank} ended with exit code {failure.exitcode}", file=sys.stderr)
        return failure.exitcode if failure.exitcode > 0 else 1
    except RendezvousConnectionError as error:
        reason = str(error.__cause__).splitlines()[0]
        print(f"error: {reason}; give another MASTER_PORT", file=sys.stderr)
        return USER_ERROR_EXIT_CODE
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
