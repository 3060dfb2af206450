"""The JAX arrays that most functions of Eq. 1 take, by name, as they are laid out in one model."""

from jaxtyping import Array, Bool, Float

#: W[target, source], dimensionless.
TracedWeights = Float[Array, "n_nodes n_nodes"]
#: α of each node (log ratio).
TracedAmplitudes = Float[Array, " n_nodes"]
#: Ascending, in decay times.
TracedTimes = Float[Array, " n_times"]
#: x at one time, or u: a column for each condition.
States = Float[Array, "n_nodes n_conditions"]
#: x at several times.
Courses = Float[Array, "n_times n_nodes n_conditions"]
Scalar = Float[Array, ""]
Flag = Bool[Array, ""]
