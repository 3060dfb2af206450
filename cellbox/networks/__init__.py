"""Networks: what they are, the ten known systems, and the forms they are written in."""
