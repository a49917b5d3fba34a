"""The command `epropnp`: the top floor, which imports any other room, and only when it runs."""
