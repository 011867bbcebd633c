"""The HTTP interface for hosts and readers of the ledger: routes only, the work is done beside."""
