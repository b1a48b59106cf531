"""Every page of the console, with its name."""

from __future__ import annotations

from django.urls import path

from merpati.console.views import home, preferences

handler403 = "merpati.console.views.errors.forbidden"
handler404 = "merpati.console.views.errors.not_found"
handler500 = "merpati.console.views.errors.failed"

urlpatterns = [
    path("", home.show, name="home"),
    path("language", preferences.language, name="language"),
    path("theme", preferences.theme, name="theme"),
]
