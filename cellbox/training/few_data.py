"""Networks from data too few for least squares: their weights are drawn to zero."""

from __future__ import annotations

from cellbox.data.dataset import Dataset
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.shrinkage import Known, Shrunken, shrink
from cellbox.settings import Settings


class FewData:
    """What data too few for least squares say of a network, once for all trainings on them.

    training: the series that networks are fitted to. validation: the validation conditions alone.
    like: the same of much the same data, where how weights are drawn to zero is chosen. place: its
    best choice (0), or one that predicts nearly as well.
    """

    def __init__(
        self, training: MultipleShooting, validation: Dataset, like: FewData | None, place: int
    ):
        self._training, self._validation = training, validation
        self._like, self._place = like, place
        # By whether edges are selected and the strength of a prior.
        self._known: dict[tuple[bool, float | str], Shrunken | None] = {}

    def fit(self, settings: Settings) -> Shrunken | None:
        """The network, None where its equations cannot be solved."""
        may_be_sparse = settings.refinement == "select_edges"
        key = may_be_sparse, settings.prior_strength
        if key not in self._known:
            before = None if self._like is None else self._like.fit(settings)
            choices = before.choices if before is not None else (None,)
            self._known[key] = shrink(
                self._training,
                self._validation.nodes,
                allowed_edges=self._validation.allowed_edges,
                scored=self._validation.measured_nodes,
                may_be_sparse=may_be_sparse,
                like=choices[self._place % len(choices)],
                known=Known.of(self._validation.prior, settings.prior_strength),
            )
        return self._known[key]
