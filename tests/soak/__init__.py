"""A soak: real processes that are killed at random for minutes, and a look from outside at what became of it all.

`python -m tests.soak --minutes 5 --seed 1 --part sqlite|ministack|both`; the last line of stdout is one JSON object. Two
parts: on SQLite the commands themselves (`followups dev`, `run-due`, `create`), on ministack the handlers in processes of
their own. Every agent writes into one file of marks when it starts and when it ends, and so does the harness before it
kills. What is found in the store, in that file and among the mails afterwards is held against the promises by `check`,
which is pure.
"""
