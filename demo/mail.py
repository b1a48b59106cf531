"""What the demonstration sends: one text in SparkPost's template language, data per recipient."""

from __future__ import annotations

from typing import Any

# Those of large providers are played too; to them mail goes at the pace they bear.
DOMAINS = ("plain-like.test",) * 17 + ("gmail-like.test", "gmx-like.test", "outlook-like.test")
CITIES = ("Bandung", "Depok", "Makassar", "Medan", "Surabaya")
NAMES = ("Ayu", "Budi", "Citra", "Dewi", "Eka")
SUBJECT = "{{name or 'Kak'}}, parcel {{order}} is on its way"
TEXT = """Halo {{name or 'Kak'}},

{{if express}}The fast boat carries{{else}}A truck carries{{end}} parcel {{order}} to {{city}}.
{{each items}}
- {{loop_var}}
{{end}}

Terima kasih!
"""
HTML = """<h1>Halo {{name or 'Kak'}}</h1>
<p>Your parcel <b>{{order}}</b> is on its way to {{city}}.</p>
<ul>
{{each items}}
<li>{{loop_var}}</li>
{{end}}
</ul>
<p><a href="https://shop.example/track?order={{order}}">Where is it now?</a></p>
"""


def parcel(number: int) -> dict[str, Any]:
    """Return one recipient with data of its own; every fifth has no name."""
    data: dict[str, Any] = {
        "order": f"A{number:06d}",
        "city": CITIES[number % len(CITIES)],
        "express": number % 3 == 0,
        "items": [f"parcel {n + 1}" for n in range(number % 3 + 1)],
    }
    if number % 5:
        data["name"] = NAMES[number % len(NAMES)]
    domain = DOMAINS[number % len(DOMAINS)]
    return {"address": f"user{number}@{domain}", "substitution_data": data}
