"""The few names under which mailbox providers stand in metrics: a bounded list, and `other`.

Everybody can make us send to a domain with MX hosts of its own. Were each a label, each would be a
time series of its own for ever.
"""

from __future__ import annotations

OTHER = "other"
ROUTE = "route:"  # static routes are the operator's own, so they are few

# Registrable domain of the MX hosts -> label.
_BY_MX_DOMAIN = {
    domain: label
    for label, domains in {
        "google": "google.com googlemail.com psmtp.com",
        "microsoft365": "outlook.com mx.microsoft",
        "outlook-consumer": "hotmail.com",
        "yahoo": "yahoodns.net",
        "yahoo-japan": "yahoo.co.jp",
        "apple": "icloud.com",
        "comcast": "comcast.net",
        "cox": "cox.net cloudfilter.net",
        "spectrum": "charter.net charter.com rr.com twc.com spectrum.net",
        "united-internet": "gmx.net gmx.com web.de mail.com kundenserver.de ionos.com ionos.de "
        "ionos.co.uk 1and1.com 1and1.co.uk 1and1.fr",
        "t-online": "t-online.de",
        "orange": "orange.fr",
        "laposte": "laposte.net",
        "sfr": "sfr.fr",
        "free-fr": "free.fr proxad.net",
        "libero": "libero.it virgilio.it iol.it",
        "mailru": "mail.ru",
        "yandex": "yandex.ru yandex.net yandex.com",
        "tencent-qq": "qq.com",
        "netease": "netease.com 163.com 126.com",
        "bt": "cpcloud.co.uk btinternet.com",
        "virgin-media": "as9143.net virginmedia.com",
        "telstra": "bigpond.com telstra.com",
        "bell-ca": "bell.net",
        "proton": "protonmail.ch",
        "zoho": "zoho.com zoho.eu zoho.in zohomail.com",
        "fastmail": "messagingengine.com",
        "kpn": "kpnmail.nl",
        "netvigator": "netvigator.com",
        "proofpoint": "pphosted.com ppe-hosted.com gpphosted.com",
        "mimecast": "mimecast.com mimecast.co.za mimecast-offshore.com",
        "barracuda": "barracudanetworks.com",
        "cisco-secure-email": "iphmx.com",
        "broadcom-messagelabs": "messagelabs.com inboundmx.com",
        "trendmicro": "trendmicro.com trendmicro.eu",
    }.items()
    for domain in domains.split()
}
_LABELS = dict(_BY_MX_DOMAIN) | {label: label for label in _BY_MX_DOMAIN.values()}


def label_of(provider: str) -> str:
    """Return the label of a provider: a name of the list, a static route as it is, or `other`.

    provider: as in events: "route:host:port", a provider's name, or its MX hosts' domain.
    """
    label = _LABELS.get(provider)
    if label is not None:
        return label
    return provider if provider.startswith(ROUTE) else OTHER
