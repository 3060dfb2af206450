"""Whether Eq. 1 explains data: a verdict, what speaks for it, and what would explain more."""
