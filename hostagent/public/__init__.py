"""What customers open on their own phones, from the host itself and without internet: the pass page, the poster
and what its code leads to, terms, questions and answers, receipts by their link. Plain HTML under a strict policy;
the same as static files by `stallmark host pages DIR`."""
