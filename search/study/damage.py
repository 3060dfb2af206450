"""Damage to a study's records: found, and set aside so that the trials are trained again."""

from __future__ import annotations

from cellbox.errors import InputError
from cellbox.storage.seals import digest_of
from search.study.folder import StudyFolder
from search.study.summaries import TrialSummaries


def damaged_trials(folder: StudyFolder) -> dict[int, InputError]:
    """What is wrong with each finished trial whose files are not what was written, by number.

    Everything is read, whatever is known of it.
    """
    found = {number: folder.damage(number) for number in folder.finished_numbers()}
    return {number: error for number, error in found.items() if error is not None}


def damaged_data(folder: StudyFolder) -> dict[str, str]:
    """What is wrong with each file of the kept data that is not what was written, by name.

    Of studies of earlier versions it is not known what that was, and nothing is found.
    """
    found = {}
    for name, digest in folder.study.data_files.items():
        file = folder.data / name
        if not file.is_file():
            found[name] = "no file"
        elif digest_of(file.read_bytes()) != digest:
            found[name] = "other content"
    return found


def set_damaged_aside(folder: StudyFolder, summaries: TrialSummaries) -> dict[int, InputError]:
    """Take damaged trials out of the study; what was wrong with each, by number.

    They are kept in the folder `damaged`, until their owner removes them. Files that have not
    changed since they were last found sound are not read.
    """
    found = summaries.damaged()
    for number in found:
        folder.set_aside(number)
    return found
