"""Six-degree-of-freedom poses of known objects (EPro-PnP-6DoF) on BOP data."""
