"""BOP data: reading and checking, object models, crops, coordinate maps and rendered images."""
