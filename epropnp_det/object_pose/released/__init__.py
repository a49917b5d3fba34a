"""The publicly released EPro-PnP-6DoF programs: key names of their checkpoints, their solver."""
