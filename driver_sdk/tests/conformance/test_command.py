"""The command as a vendor meets it: exit codes, reports, expected failures, and words."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from conformance_runs import ENVIRONMENT, Judged, planted_drivers
from jackfield_sdk.conformance.rulebook import all_rules
from support.ports import free_port
from support.reaper import owned


@pytest.fixture(scope="module")
def addresses() -> Iterator[dict[str, str]]:
    """Serve the sound driver, and one that forgets deletes."""
    with planted_drivers(["none", "forgets a delete"]) as told:
        yield told


Judge = Callable[..., Judged]


def test_a_driver_that_is_away_cannot_be_judged(judge: Judge, tmp_path: Path) -> None:
    """Exit code 2 and a sentence, if nobody answers."""
    judged = judge("--endpoint", f"unix://{tmp_path}/nobody.sock", "--only", "A1")

    assert judged.code == 2
    assert "no handshake at" in judged.output
    assert "Traceback" not in judged.output


def test_a_driver_that_ends_at_once_is_told_by_its_last_words(judge: Judge, tmp_path: Path) -> None:
    """Nobody waits for a process that is gone, and its own words say why."""
    command = f"{sys.executable} -c 'raise SystemExit(\"no licence\")'"

    judged = judge("--endpoint", f"unix://{tmp_path}/d.sock", "--command", command, "--only", "A1")

    assert judged.code == 2
    assert "the driver's command ended with 1: no licence" in judged.output


def test_no_other_driver_is_judged_in_place_of_the_command(judge: Judge, addresses: dict[str, str]) -> None:
    """A driver that was left running at the endpoint would be taken for the one that the suite starts, and stops."""
    judged = judge("--endpoint", addresses["none"], "--command", "sleep 60", "--only", "A1")

    assert judged.code == 2
    assert "somebody serves at" in judged.output


def test_a_command_of_the_operator_that_fails_is_no_fault_of_the_suite(
    judge: Judge, addresses: dict[str, str], tmp_path: Path
) -> None:
    """What failed is told in its own words, and is no verdict on the driver."""
    (tmp_path / "params.toml").write_text('change_command = "echo no such switch; exit 3"\n')
    arguments = ["--restart-command", "exit 4", "--params", str(tmp_path / "params.toml")]

    judged = judge("--endpoint", addresses["none"], *arguments, "--only", "A1,A15,G8[port]")

    assert judged.code == 2
    assert "A15 new-instance: 'exit 4' ended with 4" in judged.output.splitlines()[-1]
    assert "exit status 3" in judged.output.splitlines()[-1]
    assert "a fault of the suite" not in judged.output


def test_a_failure_names_rule_call_and_contract(judge: Judge, addresses: dict[str, str]) -> None:
    """A failure shows the rule, what was sent, masked, what came, and where the contract says it."""
    judged = judge("--endpoint", addresses["forgets a delete"], "--only", "C8[subnet]")

    assert judged.code == 1
    assert "C8 delete [subnet]: failed" in judged.output
    assert "proto/README.md, Duties of a driver 2 and 3" in judged.output
    assert re.search(r"came +subnet \S+ is listed at revision 1, and must not be there", judged.output)
    assert "action: ACTION_DELETE" in judged.output
    assert "sentinel-" not in judged.output


def test_an_expected_failure_is_no_failure(judge: Judge, addresses: dict[str, str], tmp_path: Path) -> None:
    """A rule that is listed with a reason may fail."""
    listed = tmp_path / "expected.toml"
    listed.write_text('[expected-failures]\n"C8[subnet]" = "fixed in 4.2"\n')

    judged = judge("--endpoint", addresses["forgets a delete"], "--only", "C8", "--expected-failures", str(listed))

    assert judged.code == 0, judged.output
    assert judged.rules("expected failure") == {"C8"}
    assert "fixed in 4.2" in judged.output


def test_a_rule_that_fails_in_one_of_its_cases_is_no_unexpected_pass(
    judge: Judge, addresses: dict[str, str], tmp_path: Path
) -> None:
    """A rule on the list stands for all its cases, and the first one may pass; an entry of a case for that alone."""
    listed = tmp_path / "expected.toml"
    listed.write_text('[expected-failures]\nC8 = "fixed in 4.2"\n"C8[port]" = "will be wrong"\n')

    judged = judge("--endpoint", addresses["forgets a delete"], "--only", "C8", "--expected-failures", str(listed))

    assert [(case["parameter"], case["status"]) for case in judged.report["cases"]] == [
        ("network", "passed"),
        ("subnet", "expected failure"),
        ("port", "unexpected pass"),
    ]
    assert judged.code == 1
    assert "passes against expectation C8" in judged.output


def test_an_unexpected_pass_is_a_failure(judge: Judge, addresses: dict[str, str], tmp_path: Path) -> None:
    """A rule that is listed and holds has to come off the list."""
    listed = tmp_path / "expected.toml"
    listed.write_text('[expected-failures]\nA1 = "will be wrong"\n')

    judged = judge("--endpoint", addresses["none"], "--only", "A1,A2", "--expected-failures", str(listed))

    assert judged.code == 1
    assert judged.rules("unexpected pass") == {"A1"}
    assert judged.rules("passed") == {"A2"}
    assert "take it off the list" in judged.output


def test_reports_say_the_same(judge: Judge, addresses: dict[str, str], tmp_path: Path) -> None:
    """JUnit, JSON and the summary agree on what passed, was skipped and failed."""
    junit, summary = tmp_path / "junit.xml", tmp_path / "summary.md"
    arguments = ["--only", "A,C8", "--junit", str(junit), "--summary", str(summary), "--seed", "11"]

    judged = judge("--endpoint", addresses["forgets a delete"], *arguments)

    suite = ElementTree.parse(junit).getroot()
    cases = judged.report["cases"]
    assert int(suite.attrib["tests"]) == len(cases)
    assert int(suite.attrib["failures"]) == judged.report["counts"]["failed"] == 1
    assert [case.attrib["name"] for case in suite if case.find("failure") is not None] == ["C8 delete [subnet]"]
    assert judged.report["driver"]["name"] == "planted"
    assert judged.report["seed"] == 11
    page = summary.read_text()
    verdict = judged.report["verdict"]
    assert page.startswith(f"# planted 1 and jackfield.driver.v1: {verdict}\n")
    assert verdict in judged.output
    assert "- C8 delete [subnet]: " in page
    assert "- A7 load-error: the driver could load" in page
    judged_rules = judged.report["rules"]["judged"]
    properties = {each.attrib["name"]: each.attrib["value"] for each in suite.iter("property")}
    assert (properties["verdict"], properties["rules judged"]) == (verdict, str(len(judged_rules)))
    assert "C8" in judged_rules
    assert judged.report["rules"]["not_judged"]["the driver could load"] == ["A7"]


def test_the_verdict_says_how_much_was_judged_and_why_no_more(judge: Judge, addresses: dict[str, str]) -> None:
    """A driver conforms in what it declares; what nobody looked at is no merit."""
    some = judge("--endpoint", addresses["none"], "--only", "A1,A2,A7,A10,A11")

    assert (some.code, some.report["conforms"]) == (0, True)
    assert some.report["verdict"].startswith("conforms in what it declares: 2 rules judged, ")
    assert re.search(r"(\d+) not, because not chosen by --only \(\d+\), .*needs --command", some.report["verdict"])
    assert some.output.splitlines()[-1] == f"planted {some.report['verdict']}"
    assert len(some.report["rules"]["judged"]) + sum(map(len, some.report["rules"]["not_judged"].values())) == len(
        all_rules()
    )


def test_a_run_that_judged_nothing_is_no_verdict(judge: Judge, addresses: dict[str, str]) -> None:
    """Exit code 2, not 0: every rule that was chosen was skipped."""
    judged = judge("--endpoint", addresses["none"], "--only", "A7,A10")

    assert judged.code == 2
    assert judged.rules("skipped") == {"A7", "A10"}
    assert judged.output.splitlines()[-1] == "planted was not judged"


def test_one_fault_is_told_once_and_names_the_groups(judge: Judge) -> None:
    """A listing that is wrong after every group is one failure; another one beside it would be told too."""
    with planted_drivers(["leaves ports out of its listing"]) as told:
        judged = judge("--endpoint", told["leaves ports out of its listing"], "--only", "G1")

    cases = [(case["status"], case["parameter"]) for case in judged.report["cases"]]
    assert cases[0] == ("failed", "after A")
    assert {status for status, _ in cases[1:]} == {"blocked"}
    assert judged.output.count("G1 listing-equals-model [after A]: failed") == 1
    assert re.search(r"also +after B, .*after all", judged.output)
    assert judged.report["verdict"].startswith("does not conform: breaks G1; 1 rule judged")


def test_nothing_is_left_behind(judge: Judge, addresses: dict[str, str], tmp_path: Path) -> None:
    """A second run finds what the first one found: the suite deletes what it made, and writes nowhere else."""
    first = judge("--endpoint", addresses["none"], "--only", "C1,C20,G1,G2,G3")
    second = judge("--endpoint", addresses["none"], "--only", "G2,G3")

    assert (first.code, second.code) == (0, 0), first.output + second.output
    assert {path.name for path in tmp_path.iterdir()} == {"report.json", "output.txt"}


def test_few_numbers_are_enough(judge: Judge, addresses: dict[str, str], tmp_path: Path) -> None:
    """A device with forty free VLANs is judged by every rule: an id that is only made up takes no number."""
    few = tmp_path / "few.toml"
    few.write_text("vlan_range = [3000, 3039]\n")
    only = "C13,C14,C18,D3,E3,G3,G5,I2,I5,I6"

    judged = judge("--endpoint", addresses["none"], "--params", str(few), "--only", only)

    assert judged.code == 0, judged.output
    assert judged.rules("passed") == set(only.split(","))
    assert judged.rules("skipped") == set()


def test_a_driver_that_dies_is_blamed_once(judge: Judge, tmp_path: Path) -> None:
    """After a driver has died the rest is blocked by the rule that killed it, and nothing waits."""
    with planted_drivers(["dies of a subnet"]) as told:
        judged = judge("--endpoint", told["dies of a subnet"], "--only", "A1,C1[network],C1[subnet],C4,C7,C8,I1")

    assert judged.code == 1
    assert [case["name"] for case in judged.report["cases"] if case["status"] == "failed"] == ["repeat"]
    assert judged.rules("blocked") == {"C4", "C7", "C8", "I1"}
    assert judged.rules("passed") == {"A1", "C1"}


def test_a_driver_that_could_not_load_is_blamed_for_no_refusal(judge: Judge) -> None:
    """It refuses every call with LOAD_ERROR, as it must, also those of features that it does not name."""
    with planted_drivers(["cannot load"]) as told:
        judged = judge("--endpoint", told["cannot load"], "--only", "A5,A6,A7,C1")

    assert judged.code == 0, judged.output
    assert judged.rules("passed") == {"A5", "A6", "A7"}
    assert judged.rules("skipped") == {"C1"}


def test_commands_of_an_operator_stop_and_kill_the_driver(judge: Judge, tmp_path: Path) -> None:
    """Restarts are judged by what the operator's own commands do."""
    with tempfile.TemporaryDirectory(prefix=owned("planted")) as folder:
        address, pid = f"unix://{folder}/0.sock", f"{folder}/pid"
        ended = f"if [ -e {pid} ]; then kill $(cat {pid}); tail --pid=$(cat {pid}) -f /dev/null; fi"
        restart = f"{ended}; {sys.executable} -m planted none {address} & echo $! > {pid}"
        arguments = ["--endpoint", address, "--restart-command", restart, "--kill-command", f"kill -9 $(cat {pid})"]
        try:
            subprocess.run(["sh", "-c", restart], env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL)
            judged = judge(*arguments, "--only", "A10,A11,A12,A15,E8")
        finally:
            subprocess.run(["sh", "-c", ended], check=True)

    assert judged.rules("passed") == {"A10", "A12", "A15"}, judged.output
    assert judged.rules("skipped") == {"A11", "E8"}


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificate")
def test_a_driver_over_tcp_is_judged_with_mutual_tls(judge: Judge, tmp_path: Path) -> None:
    """The suite proves who it is, and believes only the authority that it was told."""
    pem, key, address = tmp_path / "peer.pem", tmp_path / "peer.key", f"localhost:{free_port()}"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    made += ["-keyout", str(key), "-out", str(pem), "-subj", "/CN=peer", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(made, check=True, capture_output=True)
    told = {"TLS_CERTIFICATE": pem, "TLS_KEY": key, "TLS_CA": pem}
    environment = " ".join(f"JACKFIELD_DRIVER_{name}={path}" for name, path in told.items())
    command = f"env {environment} {sys.executable} -m planted none {address}"
    tls = ["--tls-ca", str(pem), "--tls-certificate", str(pem), "--tls-key", str(key)]

    judged = judge("--endpoint", address, "--command", command, *tls, "--only", "A1,A9,C1,C2")

    assert judged.code == 0, judged.output
    assert judged.rules("passed") == {"A1", "A9", "C1", "C2"}


def test_the_cases_run_under_plain_pytest(addresses: dict[str, str], tmp_path: Path) -> None:
    """Whoever wants pytest's own output and options runs the package with the plugin."""
    arguments = [
        "--pyargs",
        "jackfield_sdk.conformance",
        "-p",
        "jackfield_sdk.conformance.plugin",
        "-p",
        "no:cacheprovider",
    ]
    command = [
        sys.executable,
        "-m",
        "pytest",
        *arguments,
        "--endpoint",
        addresses["forgets a delete"],
        "--only",
        "C8,A7",
    ]

    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=ENVIRONMENT, timeout=280)

    assert ended.returncode == 1
    assert "1 failed, 2 passed, 1 skipped" in ended.stdout
    assert "C8 delete [subnet]: failed" in ended.stdout


def test_help_and_list_teach(judge: Judge) -> None:
    """The options explain themselves, and the list has every rule with its source."""
    shown = subprocess.check_output(["jackfield-conformance", "--help"], text=True, env=ENVIRONMENT)
    assert "Exit codes: 0 the driver" in shown
    listed = judge("--list").output
    assert "C4 lower-revision" in listed
    assert "Duties of a driver 4" in listed
