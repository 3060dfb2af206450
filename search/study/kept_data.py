"""Data as they are kept in a study, or beside a model."""

from __future__ import annotations

import logging
from pathlib import Path

from cellbox.data.dataset import Dataset
from cellbox.data.readers import read_tidy


def kept_data(folder: Path) -> Dataset:
    """The data of a tidy folder that was written here, without notes on how they are read.

    Raises InputError with every problem of its files.
    """
    logger = logging.getLogger("cellbox")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        return read_tidy(folder)
    finally:
        logger.setLevel(level)
