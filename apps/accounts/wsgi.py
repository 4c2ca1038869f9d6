"""Accounts on its own: ``gunicorn apps.accounts.wsgi:app`` or ``python -m apps.accounts.wsgi``."""

from apps.accounts import create_app

app = create_app()

if __name__ == "__main__":
    app.run()
