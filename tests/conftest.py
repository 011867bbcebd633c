"""What all tests share: made-up examples are the same ones in every run, others with HYPOTHESIS_PROFILE=random."""

import os

from hypothesis import settings

settings.register_profile("same", derandomize=True, print_blob=True, deadline=None)
settings.register_profile("random", print_blob=True, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
