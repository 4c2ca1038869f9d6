"""Trades on its own: ``gunicorn apps.trades.wsgi:app`` or ``python -m apps.trades.wsgi``."""

from apps.trades import create_app

app = create_app()

if __name__ == "__main__":
    app.run()
