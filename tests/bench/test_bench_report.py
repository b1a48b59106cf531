"""The report: medians, ratios to the peer, aims, rounds that failed."""

from bench.report import markdown, medians

MACHINE = {
    "cpu": "2 × CPU",
    "memory": "4 GiB",
    "system": "Debian",
    "file_system": "ext4 on /dev/vda",
    "load_before": "0.10",
}


def bulk(variant: str, rate: float, cpu: float, number: int = 0) -> dict:
    return {
        "row": "bulk",
        "variant": variant,
        "round": number,
        "messages_per_second": rate,
        "cpu_per_1000": cpu,
        "durability": "yes",
    }


LINES = [
    bulk("Merpati", 3000, 0.5, 0),
    bulk("Postfix + OpenDKIM", 300, 5.0, 0),
    bulk("Merpati", 3300, 0.6, 1),
    bulk("Postfix + OpenDKIM", 310, 5.2, 1),
    bulk("Merpati", 100, 0.55, 2),
    bulk("Postfix + OpenDKIM", 290, 5.1, 2),
]


def test_medians_and_ratios_are_taken_over_rounds() -> None:
    ours = medians(LINES)["bulk"]["Merpati"]
    assert ours["messages_per_second"] == 3000
    assert ours["messages_per_second_range"] == (100, 3300)
    assert ours["messages_per_second_ratio"] == 10
    assert round(ours["cpu_per_1000_ratio"], 3) == 0.108


def test_a_failed_round_is_counted_and_leaves_the_median_alone() -> None:
    failed = {"row": "bulk", "variant": "Merpati", "round": 3, "error": "only 5 of 10 arrived"}
    ours = medians([*LINES, failed])["bulk"]["Merpati"]
    assert (ours["rounds"], ours["failed_rounds"]) == (3, 1)
    text = markdown([*LINES, failed], MACHINE)
    assert "3 (and 1 failed)" in text
    assert "- bulk Merpati: only 5 of 10 arrived" in text


def test_aims_say_reached_and_missed() -> None:
    slow = [bulk("Merpati", 2000, 0.5), bulk("Postfix + OpenDKIM", 300, 5.0)]
    text = markdown(slow, MACHINE)
    assert "messages/s against the peer ≥ 8 | 6.67 | **missed** |" in text
    assert "CPU against the peer ≤ 0.12 | 0.1 | reached |" in text


def test_without_the_peer_no_ratio_is_claimed() -> None:
    text = markdown(LINES[:1], MACHINE)
    assert "messages/s against the peer ≥ 8 | not measured |" in text


def test_machine_and_file_system_are_named() -> None:
    text = markdown(LINES, MACHINE)
    assert "2 × CPU" in text
    assert "ext4 on /dev/vda" in text
