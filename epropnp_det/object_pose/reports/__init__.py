"""Pictures and records of predicted poses."""
