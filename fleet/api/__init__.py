"""The HTTP interface for hosts and for readers of the ledger. Routes only: the work is done in the rooms beside."""
