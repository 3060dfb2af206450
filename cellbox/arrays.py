"""The arrays that most functions take, by name: what they are and how they are laid out."""

import numpy as np
from jaxtyping import Bool, Float, Int

#: u of each row, with the paper's sign: a positive one pushes a node down.
Perturbations = Float[np.ndarray, "n_rows n_nodes"]
#: Ascending, in decay times.
Times = Float[np.ndarray, " n_times"]
#: x of each row, time and node: log ratios, measured (NaN where missing) or predicted.
Responses = Float[np.ndarray, "n_rows n_times n_nodes"]
#: Something true or false of each of these values.
ValueMask = Bool[np.ndarray, "n_rows n_times n_nodes"]
#: Places of rows in the data.
RowNumbers = Int[np.ndarray, " n_rows"]
RowMask = Bool[np.ndarray, " n_rows"]
#: Something of each entry of W, [target, source].
EdgeValues = Float[np.ndarray, "n_nodes n_nodes"]
EdgeMask = Bool[np.ndarray, "n_nodes n_nodes"]
NodeValues = Float[np.ndarray, " n_nodes"]
NodeMask = Bool[np.ndarray, " n_nodes"]
