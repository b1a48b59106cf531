"""The registry of the API: every path, its methods, and the grant that each needs."""

from __future__ import annotations

from django.urls import re_path

from merpati.api import calendar_feed, health, metrics
from merpati.api.call import Operation, not_found, resource
from merpati.api.own import (
    alerts,
    call_backs,
    campaigns,
    case_acts,
    case_files,
    cases,
    egresses,
    engagement,
    migrations,
    problems,
    queues,
    tam,
    warmup,
)
from merpati.api.own import sending_ips as own_sending_ips
from merpati.api.sparkpost import (
    ip_pools,
    sending_domains,
    sending_ips,
    suppression_list,
    transmissions,
)

_V1 = "api/v1"
_OWN = "api/merpati/v1"
_NUMBER = "(?P<number>[0-9]{1,18})"

urlpatterns = [
    # The hot path first: patterns are tried in this order.
    resource(
        f"{_V1}/transmissions",
        post=Operation(transmissions.create, "transmissions/modify"),
        get=Operation(transmissions.list_unfinished, "transmissions/view"),
        delete=Operation(transmissions.cancel, "transmissions/modify"),
    ),
    resource(
        rf"{_V1}/transmissions/(?P<transmission_id>[^/]+)",
        get=Operation(transmissions.show, "transmissions/view"),
        delete=Operation(transmissions.delete, "transmissions/modify"),
    ),
    resource(f"{_V1}/sending-ips", get=Operation(sending_ips.list_all, "ip_pools/view")),
    resource(
        rf"{_V1}/sending-ips/(?P<address>[^/]+)",
        get=Operation(sending_ips.show, "ip_pools/view"),
        put=Operation(sending_ips.update, "ip_pools/manage"),
    ),
    resource(
        f"{_V1}/ip-pools",
        get=Operation(ip_pools.list_all, "ip_pools/view"),
        post=Operation(ip_pools.create, "ip_pools/manage"),
    ),
    resource(
        rf"{_V1}/ip-pools/(?P<pool_id>[^/]+)",
        get=Operation(ip_pools.show, "ip_pools/view"),
        put=Operation(ip_pools.update, "ip_pools/manage"),
        delete=Operation(ip_pools.delete, "ip_pools/manage"),
    ),
    resource(
        f"{_V1}/sending-domains",
        get=Operation(sending_domains.list_all, "sending_domains/manage"),
        post=Operation(sending_domains.create, "sending_domains/manage"),
    ),
    resource(
        rf"{_V1}/sending-domains/(?P<domain>[^/]+)",
        get=Operation(sending_domains.show, "sending_domains/manage"),
        delete=Operation(sending_domains.delete, "sending_domains/manage"),
    ),
    resource(
        rf"{_V1}/sending-domains/(?P<domain>[^/]+)/verify",
        post=Operation(sending_domains.verify, "sending_domains/manage"),
    ),
    resource(
        f"{_V1}/suppression-list",
        get=Operation(suppression_list.list_all, "suppression_lists/manage"),
        put=Operation(suppression_list.update_many, "suppression_lists/manage"),
    ),
    resource(
        f"{_V1}/suppression-list/summary",
        get=Operation(suppression_list.summary, "suppression_lists/manage"),
    ),
    resource(  # a slash is legal in an address
        rf"{_V1}/suppression-list/(?P<recipient>.+?)",
        get=Operation(suppression_list.show, "suppression_lists/manage"),
        put=Operation(suppression_list.update, "suppression_lists/manage"),
        delete=Operation(suppression_list.delete, "suppression_lists/manage"),
    ),
    resource(
        f"{_OWN}/sending-ips",
        get=Operation(own_sending_ips.list_all, "ip_pools/view"),
        post=Operation(own_sending_ips.add, "ip_pools/manage"),
    ),
    resource(f"{_OWN}/warmup", get=Operation(warmup.list_all, "ip_pools/view")),
    resource(
        rf"{_OWN}/warmup/(?P<address>[^/]+)",
        get=Operation(warmup.show, "ip_pools/view"),
        put=Operation(warmup.change, "ip_pools/manage"),
    ),
    resource(
        rf"{_OWN}/warmup/(?P<address>[^/]+)/targets/(?P<provider>[^/]+)",
        put=Operation(warmup.set_target, "ip_pools/manage"),
    ),
    resource(
        f"{_OWN}/engagement",
        get=Operation(engagement.count, "recipient_lists/manage"),
        put=Operation(engagement.record, "recipient_lists/manage"),
    ),
    resource(  # a slash is legal in an address
        rf"{_OWN}/engagement/(?P<recipient>.+?)",
        get=Operation(engagement.show, "recipient_lists/manage"),
        delete=Operation(engagement.forget, "recipient_lists/manage"),
    ),
    resource(f"{_OWN}/alerts", get=Operation(alerts.list_all, "alerts/manage")),
    resource(rf"{_OWN}/alerts/{_NUMBER}/seen", post=Operation(alerts.seen, "alerts/manage")),
    resource(f"{_OWN}/campaigns", get=Operation(campaigns.list_all, "transmissions/view")),
    resource(
        rf"{_OWN}/campaigns/(?P<campaign_id>.+)/outlook",
        get=Operation(campaigns.outlook, "transmissions/view"),
    ),
    resource(
        f"{_OWN}/queues",
        get=Operation(queues.list_all, "transmissions/view"),
    ),
    resource(f"{_OWN}/queues/pause", post=Operation(queues.pause, "transmissions/modify")),
    resource(f"{_OWN}/queues/resume", post=Operation(queues.resume, "transmissions/modify")),
    resource(f"{_OWN}/queues/retry", post=Operation(queues.retry, "transmissions/modify")),
    resource(
        f"{_OWN}/cases",
        get=Operation(cases.list_all, "support_cases/view"),
        post=Operation(cases.create, "support_cases/manage"),
    ),
    resource(rf"{_OWN}/cases/{_NUMBER}", get=Operation(cases.show, "support_cases/view")),
    resource(rf"{_OWN}/cases/{_NUMBER}/export", get=Operation(cases.export, "support_cases/view")),
    resource(rf"{_OWN}/cases/{_NUMBER}/record", get=Operation(cases.record, "support_cases/view")),
    resource(
        rf"{_OWN}/cases/{_NUMBER}/files/(?P<file_id>[0-9]{{1,18}})",
        get=Operation(case_files.show, "support_cases/view"),
    ),
    *(
        resource(rf"{_OWN}/cases/{_NUMBER}/{name}", post=Operation(act, "support_cases/manage"))
        for name, act in case_acts.ACTS.items()
    ),
    resource(
        f"{_OWN}/call-backs",
        get=Operation(call_backs.list_all, "support_cases/view"),
        post=Operation(call_backs.create, "support_cases/manage"),
    ),
    resource(f"{_OWN}/call-backs/slots", get=Operation(call_backs.slots, "support_cases/view")),
    resource(
        rf"{_OWN}/call-backs/(?P<call_back_id>[0-9]{{1,18}})",
        put=Operation(call_backs.move, "support_cases/manage"),
        delete=Operation(call_backs.cancel, "support_cases/manage"),
    ),
    resource(
        f"{_OWN}/egresses",
        get=Operation(egresses.list_all, "ip_pools/view"),
        post=Operation(egresses.add, "ip_pools/manage"),
    ),
    resource(
        rf"{_OWN}/egresses/(?P<name>[^/]+)",
        get=Operation(egresses.show, "ip_pools/view"),
        put=Operation(egresses.change, "ip_pools/manage"),
        delete=Operation(egresses.remove, "ip_pools/manage"),
    ),
    resource(
        rf"{_OWN}/egresses/(?P<name>[^/]+)/check",
        post=Operation(egresses.check, "ip_pools/manage"),
    ),
    resource(
        f"{_OWN}/migrations",
        get=Operation(migrations.list_all, "ip_pools/view"),
        post=Operation(migrations.create, "ip_pools/manage"),
    ),
    resource(f"{_OWN}/migrations/preview", post=Operation(migrations.preview, "ip_pools/view")),
    resource(
        rf"{_OWN}/migrations/{_NUMBER}",
        get=Operation(migrations.show, "ip_pools/view"),
        put=Operation(migrations.change, "ip_pools/manage"),
    ),
    resource(
        rf"{_OWN}/migrations/{_NUMBER}/report", get=Operation(migrations.report, "ip_pools/view")
    ),
    *(
        resource(rf"{_OWN}/migrations/{_NUMBER}/{name}", post=Operation(act, "ip_pools/manage"))
        for name, act in migrations.ACTS.items()
    ),
    resource(f"{_OWN}/tam", get=Operation(tam.show, "support_cases/view")),
    resource(f"{_OWN}/problems", get=Operation(problems.list_all, None)),
    resource(rf"{_OWN}/problems/(?P<slug>[^/]+)", get=Operation(problems.show, None)),
    resource(
        r"calendar/migrations/(?P<key>[A-Za-z0-9_-]{43})\.ics",
        get=Operation(migrations.calendar, None),
    ),
    resource(r"calendar/(?P<zone>[^/]+)\.ics", get=Operation(calendar_feed.show, None)),
    resource("healthz", get=Operation(health.alive, None)),
    resource("readyz", get=Operation(health.ready, None)),
    resource("metrics", get=Operation(metrics.show, None)),
    re_path(r"", not_found),
]
