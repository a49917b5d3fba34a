"""Former home of the detector's models, kept for one release for `custom_imports` of old
configs.
"""

import warnings

from epropnp_det.detection import *  # noqa: F403

warnings.warn(
    "epropnp_det.models moved to epropnp_det.detection; write custom_imports = "
    'dict(imports=["epropnp_det.detection"]) in the config',
    DeprecationWarning,
    stacklevel=2,
)
