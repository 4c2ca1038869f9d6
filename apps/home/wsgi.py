"""The portal on its own: ``gunicorn apps.home.wsgi:app`` or ``python -m apps.home.wsgi``."""

from apps.home import create_app

app = create_app()

if __name__ == "__main__":
    app.run()
