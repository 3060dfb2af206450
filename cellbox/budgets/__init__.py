"""How much data is enough: experiments at a budget, how often they succeed, and what that costs."""
