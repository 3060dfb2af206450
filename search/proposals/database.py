"""Optuna's database, whose connections may be cut and whose server may be restarted.

Every request is made again until it is answered, or for some minutes. A request whose answer was
lost may have been carried out: a trial is not made twice, nor ended twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage, get_storage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import (
    DBAPIError,
    InterfaceError,
    OperationalError,
    PendingRollbackError,
    SQLAlchemyError,
)

from cellbox.errors import refuse

#: How long a database is waited for: while a sweep runs, and when one begins.
PATIENCE, PATIENCE_AT_FIRST = 300.0, 15.0  # seconds
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 10.0
_FIX = "Check the address, the database's driver and that the server is running"

Say = Callable[[str], None]


def open_database(
    url: str, say: Say = lambda said: None, pause: Callable[[float], None] = time.sleep
) -> BaseStorage:
    """The storage at an address.

    say: told, in a line, that the database does not answer. pause: waits so many seconds.

    Raises InputError for an address that Optuna cannot open.
    """
    patience = _Patience(say, pause)
    try:
        # Tables may be made here, over connections that can be cut as well.
        database = patience.until_answered(lambda: _Database(url, patience), PATIENCE_AT_FIRST)
    except (SQLAlchemyError, StorageInternalError, ImportError, ValueError, OSError) as error:
        raise refuse(
            "storage.url",
            f"expected a storage that Optuna can open, found: {type(error).__name__}",
            _FIX,
        ) from error
    return get_storage(database)


class _Patience:
    """Makes requests again whose connection was cut."""

    def __init__(self, say: Say, pause: Callable[[float], None]):
        self._say, self._pause = say, pause

    def until_answered(self, request: Callable[[], Any], seconds: float) -> Any:
        """The answer; the last error after so many seconds."""
        began, wait = time.monotonic(), _FIRST_PAUSE
        failures = 0
        while True:
            try:
                answer = request()
            except (SQLAlchemyError, StorageInternalError) as error:
                cause = _of_connection(error)
                if cause is None or time.monotonic() - began + wait > seconds:
                    raise
                failures += 1
                if failures == 2:
                    self._say(
                        f"the database of storage.url does not answer ({type(cause).__name__}); "
                        f"asking again for up to {seconds:.0f} s"
                    )
                self._pause(wait)
                wait = min(2 * wait, _LONGEST_PAUSE)
            else:
                if failures == 1:
                    self._say("a connection to the database of storage.url was cut; asked again")
                elif failures:
                    self._say("the database of storage.url answers again")
                return answer


def _of_connection(error: BaseException) -> SQLAlchemyError | None:
    """The error of a connection that is behind an error; None where it is of something else."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OperationalError | InterfaceError | PendingRollbackError) or (
            isinstance(cause, DBAPIError) and cause.connection_invalidated
        ):
            return cause
        # An error while the session was put in order hides that of the connection.
        cause = cause.__cause__ or cause.__context__
    return None


class _Database(RDBStorage):
    """Optuna's, with patience."""

    def __init__(self, url: str, patience: _Patience):
        # What a pool holds may have been cut while a trial was trained.
        super().__init__(url, engine_kwargs={"pool_pre_ping": True})
        self._patience = patience
        self._known = 0

    def patiently(self, request: Callable[[], Any]) -> Any:
        """The answer to a request, made again where needed."""
        try:
            return self._patience.until_answered(request, PATIENCE)
        except (SQLAlchemyError, StorageInternalError) as error:
            if (cause := _of_connection(error)) is None:
                raise
            raise refuse(
                "storage.url",
                f"expected the database to answer, found none for {PATIENCE:.0f} s "
                f"({type(cause).__name__})",
                "Start its server again; what has finished is kept, and the same command goes on",
            ) from error

    def _create_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None = None
    ) -> FrozenTrial:
        self._known = self.patiently(lambda: self._count(study_id))
        return self.patiently(lambda: RDBStorage._create_new_trial(self, study_id, template_trial))

    def _count(self, study_id: int) -> int:
        with self.scoped_session() as session:
            return int(session.query(models.TrialModel).filter_by(study_id=study_id).count())

    def _get_prepared_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None, session: Any
    ) -> Any:
        # Made by an attempt whose answer was lost.
        made = session.query(models.TrialModel).filter_by(study_id=study_id, number=self._known)
        return made.first() or super()._get_prepared_new_trial(study_id, template_trial, session)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        attempts = 0

        def set_values() -> bool:
            nonlocal attempts
            attempts += 1
            try:
                return RDBStorage.set_trial_state_values(self, trial_id, state, values)
            except UpdateFinishedTrialError:
                if attempts == 1 or RDBStorage.get_trial(self, trial_id).state != state:
                    raise
                return True

        return self.patiently(set_values)


def _patient(name: str) -> Callable[..., Any]:
    method = getattr(RDBStorage, name)

    @wraps(method)
    def request(self: _Database, *arguments: Any, **named: Any) -> Any:
        return self.patiently(lambda: method(self, *arguments, **named))

    return request


# All others that Optuna's cache, through which a study speaks, passes on; each may be made twice.
for _name in (
    *("create_new_study", "set_study_user_attr", "set_study_system_attr", "get_all_studies"),
    *("get_study_id_from_name", "get_study_name_from_id", "get_study_directions"),
    *("get_study_user_attrs", "get_study_system_attrs", "get_trial", "_get_trials"),
    *("get_trial_id_from_study_id_trial_number", "_get_best_trial_id", "_set_trial_param"),
    *("set_trial_intermediate_value", "set_trial_user_attr", "set_trial_system_attr"),
):
    setattr(_Database, _name, _patient(_name))
