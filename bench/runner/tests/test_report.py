"""Ratios, shares and their tables."""

import unittest

from runner import plot, report


def run(number, cpu, per_s=1000.0, others=0.0):
    return {
        "round": number, "cpu_s_per_10k": cpu, "per_s": per_s, "peak_kib": 2048, "others_cores": others, "messages": {"accepted": 9},
        "latency_ms": {"p50": 1.0, "p99": 2.0},
    }  # fmt: skip


def results(**runs):
    return {
        "machine": {"when": "now", "cpu": "one", "cores": 2, "kernel": "6", "load": 0.0}, "rounds": 3, "seconds": 1, "seeds": [7],
        "about": dict.fromkeys(runs, ""), "points": {"pipe": "a load"}, "runs": {name: {"pipe": each} for name, each in runs.items()},
        "limits": {}, "idle_kib": {}, "syscalls": {}, "skipped": {},
    }  # fmt: skip


class Ratios(unittest.TestCase):
    def test_a_ratio_is_of_one_round(self):
        # The machine is ten times slower in round 2, and the floor did not start in round 1.
        found = results(floor=[run(0, 1.0), run(2, 10.0)], ours=[run(0, 1.5), run(1, 99.0), run(2, 15.0)])
        self.assertEqual(report.ratios(found, "ours", "pipe"), [1.5, 1.5])

    def test_without_a_floor_there_is_none(self):
        self.assertEqual(report.ratios(results(ours=[run(0, 1.0)]), "ours", "pipe"), [])

    def test_a_run_without_messages_has_no_ratio(self):
        self.assertEqual(report.ratios(results(floor=[run(0, 1.0)], ours=[run(0, None)]), "ours", "pipe"), [])


    def test_what_others_disturbed_is_left_out(self):
        calm = [run(number, 1.5) for number in range(3)]
        found = results(floor=[run(number, 1.0) for number in range(4)], ours=[*calm, run(3, 9.0, others=1.0)])
        self.assertEqual(report.ratios(found, "ours", "pipe"), [1.5, 1.5, 1.5])
        self.assertNotIn("9", report.markdown(found).split("| ours |")[1])

    def test_no_row_is_of_calm_runs_alone_when_another_has_none(self):
        found = results(floor=[run(0, 1.0), run(1, 3.0, others=1.0)], ours=[run(0, 5.0, others=1.0), run(1, 5.0, others=1.0)])
        self.assertIn("| floor | 1,000 [1,000–1,000] | 2 [1–3] |", report.markdown(found))

    def test_disturbed_runs_count_where_there_are_too_few_others(self):
        found = results(floor=[run(0, 1.0)], ours=[run(0, 1.5, others=1.0)])
        self.assertEqual(report.ratios(found, "ours", "pipe"), [1.5])


class Tables(unittest.TestCase):
    def test_a_row_tells_median_and_range(self):
        found = results(floor=[run(0, 1.0), run(1, 1.0), run(2, 1.0)], ours=[run(0, 2.0), run(1, 1.0), run(2, 4.0)])
        self.assertIn("| ours | 1,000 [1,000–1,000] | 2 [1–4] | 2.00 [1.00–4.00] | 1.00 | 2.00 | 2 | 0.0 |", report.markdown(found))

    def test_shares_are_of_the_limit_in_the_same_round(self):
        found = results(maildir=[run(0, 1.0, 800.0), run(1, 1.0, 80.0)])
        found["limits"] = {
            "disk": {"about": "files", "of": ["maildir"], "runs": [{"round": 0, "per_s": 1000.0}, {"round": 1, "per_s": 100.0}]}
        }
        self.assertIn("| maildir | pipe | 440 [80–800] | disk | 550 [100–1,000] | 0.80 [0.80–0.80] |", report.markdown(found))

    def test_what_was_skipped_is_said(self):
        found = results(floor=[run(0, 1.0)])
        found["skipped"] = {"haraka": "no node and npm here"}
        self.assertIn("Skipped haraka: no node and npm here.", report.markdown(found))

    def test_the_plot_holds_every_server(self):
        picture = plot.svg(results(floor=[run(0, 1.0)], ours=[run(0, 2.0)]))
        self.assertIn(">floor<", picture)
        self.assertIn(">ours<", picture)


if __name__ == "__main__":
    unittest.main()
