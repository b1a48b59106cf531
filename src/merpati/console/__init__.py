"""The console: pages for customers and for the desk, in English and Indonesian.

Every page works without scripts; htmx and `static/console/console.js` improve it. Pages parse, call
one action of the service rooms, and render: what may be done is decided there.
"""
