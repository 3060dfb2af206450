"""Models are not drawn here."""

from tests.pictures import no_drawings

__all__ = ["no_drawings"]
