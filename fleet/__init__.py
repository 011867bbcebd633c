"""The fleet controller: ledger, receipts in public, and what every kit should run."""
