"""What one email is: template language, MIME, headers, DKIM and return path. Pure.

No I/O and no clock: `compose.py` is the way in: `compile_content` once per
transmission, `compose` once per message.
"""
