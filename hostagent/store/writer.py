"""The store's one writer: a thread that commits what waits as one transaction, and outlasts a bad disk."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import apsw

from hostagent.errors import StoreDamaged, StoreUnavailable
from hostagent.store.database import Sql

T = TypeVar("T")
RETRY_S = (0.1, 0.2, 0.5, 1.0, 2.0)
# With nothing to write for so long, a log of this many pages (1 MiB) is folded into the file: while work comes, nobody
# waits for it, up to the bound that database.CHECKPOINT_PAGES sets.
QUIET_S = 0.05
FOLD_PAGES = 256
# Whoever reads in that moment keeps the log from being folded: tried again after twice the pause, so many times.
FOLD_TRIES = 10
# Storage failures: the work is right, the disk is not. Anything else is the work's own fault.
STORAGE = (
    apsw.FullError,
    apsw.IOError,
    apsw.CantOpenError,
    apsw.BusyError,
    apsw.ReadOnlyError,
    apsw.NotADBError,
    apsw.CorruptError,
)
log = logging.getLogger("hostagent.writer")


@dataclass(frozen=True)
class Trouble:
    """What keeps the disk from taking writes, and since when (monotonic seconds)."""

    reason: str
    since: float


@dataclass
class _Job:
    work: Callable[[Sql], Any]
    keep: bool
    done: "Future[Any]"


class Writer:
    """Owns the only connection that writes.

    `connect` opens one; after an I/O failure the connection is closed and opened anew, so that what the disk
    really holds decides. `keep` jobs stay queued over storage failures (their owner bounds their number)
    and must find out by themselves whether an earlier attempt reached the disk; others get StoreUnavailable.
    `explain` puts a failure and the system's error number into words for a screen.
    """

    def __init__(
        self, connection: Sql, connect: Callable[[], Sql], explain: Callable[[Exception, int], str]
    ) -> None:
        self._connection: Sql | None = connection
        self._connect = connect
        self._explain = explain
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._abandon = threading.Event()
        self.trouble: Trouble | None = None
        self._folds_left = 0
        self._fold_pause = QUIET_S
        self.commits = 0
        self.failures = 0
        self.folds = 0
        self.fold_tries = 0
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Sql], T], keep: bool = False) -> "Future[T]":
        """Queues `work(sql)` for the next transaction; the future is done after its commit."""
        job = _Job(work, keep, Future())
        if self._stop.is_set():
            job.done.set_exception(StoreUnavailable("the store is closed"))
        else:
            self._queue.put(job)
        return cast("Future[T]", job.done)

    def call(self, work: Callable[[Sql], T], seconds: float) -> T:
        """Like submit, but waits for the commit: for the few writes that must be durable before an answer.

        Raises StoreUnavailable at once while the disk is in trouble, or after `seconds`.
        """
        trouble = self.trouble
        if trouble is not None:
            raise StoreUnavailable(trouble.reason)
        try:
            return self.submit(work).result(seconds)
        except TimeoutError as late:
            raise StoreUnavailable(f"the disk took longer than {seconds:g} s") from late

    def close(self, seconds: float = 5.0) -> None:
        """Commits what waits (for at most `seconds` when the disk refuses) and closes the file."""
        self._stop.set()
        self._queue.put(None)
        self._thread.join(seconds)
        self._abandon.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        waiting: list[_Job] = []
        attempt = 0
        while True:
            stopping = self._take(waiting, 0.0 if not waiting else RETRY_S[min(attempt, len(RETRY_S)) - 1])
            if waiting:
                failed = self._attempt(waiting)
                if failed is None:
                    waiting = []
                    attempt = 0
                    continue
                attempt += 1
                waiting = self._after_failure(waiting, failed)
            if stopping and (not waiting or self._abandon.is_set()):
                break
        for job in waiting:
            job.done.set_exception(StoreUnavailable("the store was closed before the disk took this"))
        if self._connection is not None:
            self._connection.close()

    def _take(self, waiting: list[_Job], pause: float) -> bool:
        """Adds every queued job to `waiting`; blocks for the first one, or for the pause of a retry."""
        if waiting:
            end = time.monotonic() + pause
            while (left := end - time.monotonic()) > 0 and not self._abandon.is_set():
                self._abandon.wait(min(left, 0.1))
        else:
            self._accept(self._next(), waiting)
        while True:
            try:
                self._accept(self._queue.get_nowait(), waiting)
            except queue.Empty:
                return self._stop.is_set()

    def _next(self) -> _Job | None:
        while self._folds_left:
            try:
                return self._queue.get(timeout=self._fold_pause)
            except queue.Empty:
                self._fold()
        return self._queue.get()

    def _fold(self) -> None:
        """Folds a long log into the file. What goes wrong with it is not lost: the next commit meets it, too."""
        left, self._folds_left = self._folds_left - 1, 0
        self._fold_pause *= 2
        self.fold_tries += 1
        if self._connection is None:
            return
        try:
            found = self._connection.execute("PRAGMA wal_checkpoint(NOOP)").fetchone()
            if found is None or found[1] - found[2] < FOLD_PAGES:
                return
            _, pages, folded = cast(
                "tuple[int, int, int]", self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            )
            if pages == folded and pages >= 0:
                self.folds += 1
            else:
                self._folds_left = left
        except apsw.Error as failed:
            log.info("the log stays as it is: %s", failed)

    @staticmethod
    def _accept(job: _Job | None, waiting: list[_Job]) -> None:
        # From here on its owner cannot take it back: what is committed is reported.
        if job is not None and job.done.set_running_or_notify_cancel():
            waiting.append(job)

    def _attempt(self, jobs: list[_Job]) -> Exception | None:
        """One transaction for all jobs. Returns the storage failure, if any; a job's own error is its own."""
        try:
            if self._connection is None:
                self._connection = self._connect()
            results = self._transaction(self._connection, jobs)
        except (*STORAGE, StoreUnavailable, StoreDamaged) as failed:
            return failed
        except Exception as guilty:  # noqa: BLE001 - whatever it is, the other jobs must not suffer
            if len(jobs) == 1:
                jobs[0].done.set_exception(guilty)
                return None
            for position, job in enumerate(jobs):
                failed = self._attempt([job])
                if failed is not None:
                    del jobs[:position]
                    return failed
            return None
        self.commits += 1
        self._folds_left, self._fold_pause = FOLD_TRIES, QUIET_S
        if self.trouble is not None:
            log.warning("the disk takes writes again")
            self.trouble = None
        for job, result in zip(jobs, results, strict=True):
            job.done.set_result(result)
        return None

    @staticmethod
    def _transaction(sql: Sql, jobs: list[_Job]) -> list[Any]:
        sql.execute("BEGIN IMMEDIATE")
        try:
            results = [job.work(sql) for job in jobs]
            sql.execute("COMMIT")
        except BaseException:
            if sql.in_transaction:
                sql.execute("ROLLBACK")
            raise
        return results

    def _after_failure(self, jobs: list[_Job], failed: Exception) -> list[_Job]:
        number = 0 if self._connection is None else self._connection.system_errno
        reason = self._explain(failed, number)
        self.failures += 1
        if self.trouble is None or self.trouble.reason != reason:
            log.warning("the disk does not take writes: %s", reason)
            self.trouble = Trouble(reason, time.monotonic())
        # A full disk leaves the connection sound; after anything else only a fresh look at the file is.
        if self._connection is not None and not isinstance(failed, apsw.FullError):
            try:
                self._connection.close()
            except apsw.Error as error:
                log.warning("closing the store after a failure: %s", error)
            self._connection = None
        kept: list[_Job] = []
        for job in jobs:
            if job.keep:
                kept.append(job)
            else:
                job.done.set_exception(StoreUnavailable(reason))
        return kept
