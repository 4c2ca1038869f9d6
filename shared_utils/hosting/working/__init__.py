"""The task worker: Celery, which knows no app, set up to work for all of them.

    setup.py        sets up Celery's worker; loaded by name when ``celery worker`` starts
    crew.py         which apps have tasks, and for which nothing is done just now
    contexts.py     apps as they are built in a process of the pool
    answering.py    from the name in a message to the function of an app
    carrying.py     a task logs with the id of the request that has sent it
    spans.py        a task is a span of that request's trace
    sweeping.py     rings again for rows left behind
    watching.py     a process of the pool ends with its worker

The worker's main process imports no app: it takes messages by the app's name that stands in them,
and a process of its pool builds that app when it first works for it. So whatever an app does, at
import as well, happens in a process that is replaced.
"""
