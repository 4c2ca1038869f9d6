"""The console on its own: ``gunicorn apps.ops.wsgi:app`` or ``python -m apps.ops.wsgi``."""

from apps.ops import create_app

app = create_app()

if __name__ == "__main__":
    app.run()
