"""A dozen lines of Flask: a service that knows nothing of the harness and needs nothing but itself."""

import os

from flask import Flask, jsonify

app = Flask(__name__)


@app.get("/")
def index():
    """The one page."""
    return "<!doctype html><html lang='en'><title>Hello</title><main><h1>Hello</h1></main></html>"


@app.get("/api/items")
def items():
    """The one resource."""
    return jsonify([{"id": 1, "name": "kettle"}, {"id": 2, "name": "lamp"}])


if __name__ == "__main__":
    app.run("127.0.0.1", int(os.environ["PORT"]))
