"""How long to wait before trying again. `luck` is a random number of 0 to 1, an argument like time."""

from datetime import datetime, timedelta

#: First interval after which a claim that nobody picked up is sent again; it doubles.
RESEND_AFTER = timedelta(minutes=2)
MAX_SENDS = 8
MAX_REPORT_TRIES = 8
#: A mail that was handed to the mailer and not noted is looked at again after this.
REPORT_LEASE = timedelta(minutes=3)
#: No mailer takes longer than two minutes, and clocks differ by up to half a minute: a try that has less than that of its
#: lease left sends nothing.
LONGEST_MAIL = timedelta(minutes=2, seconds=30)
MAX_POISON = 5
POISON_PAUSE = timedelta(minutes=15)
#: Failed occurrences in a row after which a recurrence is paused.
PAUSE_AFTER_FAILURES = 3


def backoff(attempt: int, luck: float) -> timedelta:
    """Gives the wait after failed attempt number `attempt` (from 1): full jitter over 1, 4, 16 … at most 60 minutes,
    never under 15 s.

    Full jitter after Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    ceiling = min(3600.0, 60.0 * 4.0 ** (attempt - 1))
    return timedelta(seconds=max(15.0, luck * ceiling))


def resend_interval(sends: int) -> timedelta:
    """Gives how long to wait for a claim that was sent `sends` times (from 1) to be picked up: 2, 4, 8 … minutes."""
    return RESEND_AFTER * (1 << (sends - 1))


def mail_backoff(tries: int, luck: float) -> timedelta:
    """Gives the wait after mail try number `tries` (from 1): 15 s to 60 min."""
    return backoff(min(tries, 4), luck)


def next_hour(at: datetime) -> datetime:
    """Gives the instant at which the hour (UTC) of `at` is over, and with it a spent hourly budget."""
    return at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def blocked_pause(shortest_s: float, longest_s: float, luck: float) -> timedelta:
    """Gives how long a refused claim waits at most in its line before it is looked at again."""
    return timedelta(seconds=shortest_s + luck * (longest_s - shortest_s))
