# For the development server: rowhouse run, flask run. gunicorn does not read this.
FLASK_APP=dispatcher
FLASK_DEBUG=1
FLASK_RUN_EXTRA_FILES=rowhouse.toml
