"""What the database tells its callers: Problems in one clear line, whichever engine stands behind.

Owns the classes. It does not own their translation from an engine's own errors: `sqlite` and `postgres` each do that.
"""

from setuplinks.core.problems import Problem, Unavailable


class DatabaseAway(Unavailable):
    """The database cannot be reached or does not answer; nothing of the unit was acknowledged."""

    title = "The database cannot be reached."


class OutcomeUnknown(DatabaseAway):
    """The connection broke while the COMMIT was under way: the unit may stand or not, and is not reported as done."""

    title = "The database did not confirm the change; it may have been made."


class DatabaseBusy(Unavailable):
    """Others held what this needed for too long (a lock, a deadlock); the same request may be sent again."""

    title = "The database is busy."


class DatabaseInUse(Unavailable):
    """Another process serves this SQLite file."""

    title = "Another process serves this database file."


class StatementFailed(Problem):
    """The database refused a statement: a fault of ours, not of the caller."""


class ConstraintBroken(StatementFailed):
    """A write broke a constraint that no guard foresaw; nothing of its unit is written."""


class SchemaBehind(Unavailable):
    """The database's schema is older than this program."""

    title = "The database's schema is older than this program."


class SchemaAhead(Unavailable):
    """The database's schema is newer than this program can serve."""

    title = "The database's schema is newer than this program."


class MissedGuard(Exception):
    """A guarded write did not touch exactly one row; carries the Problem that the verb gave with it."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem
