"""In which language to answer somebody: as they chose, as they were answered before, as they write.

Pure but for `language_of`, which looks up what is known of the person.
"""

from __future__ import annotations

import re

from merpati.accounts.models import User
from merpati.desk.models import Case, Contact, Language

_INDONESIAN = """yang dan di ke dari untuk dengan tidak ini itu ada kami saya anda kita akan sudah
belum juga pada atau karena jadi mohon tolong terima kasih bisa dapat apa bagaimana sejak pagi
sampai masih selamat siang bapak ibu pesan surel"""
_ENGLISH = """the and of to in is that for with not this it we you our are was have has please thank
thanks can could would how what since from on at be hello mail does do my your"""
_WORDS = {
    Language.INDONESIAN: frozenset(_INDONESIAN.split()),
    Language.ENGLISH: frozenset(_ENGLISH.split()),
}
_WORD = re.compile(r"[a-z]+")
_READ = 2_000  # characters
_ENOUGH = 2  # words more than in the other language


def language_of(email: str, contact: Contact | None, text: str) -> str:
    """Return the language to open a case in.

    What a user of this address chose counts first, then the latest case they opened, then the text,
    then the latest case of their account, then English.
    """
    user = User.objects.filter(email=email, is_active=True).first()
    if user is not None:
        return user.language
    if contact is not None and (case := _latest(opened_by=contact)):
        return case.language
    if (found := language_of_text(text)) is not None:
        return found
    if contact is not None and (case := _latest(account_id=contact.account_id)):
        return case.language
    return Language.ENGLISH


def language_of_text(text: str) -> str | None:
    """Return the language a text is plainly in, None when it is not plain."""
    words = _WORD.findall(text[:_READ].lower())
    count = {language: sum(w in known for w in words) for language, known in _WORDS.items()}
    best, other = sorted(count, key=lambda language: -count[language])[:2]
    return best if count[best] - count[other] >= _ENOUGH else None


def _latest(**chosen: object) -> Case | None:
    return Case.objects.filter(**chosen).order_by("-number").first()
