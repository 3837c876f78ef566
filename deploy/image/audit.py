"""Known vulnerabilities of what the image holds: pip-audit on the lock, without a false green.

``python deploy/image/audit.py PIP_AUDIT``. Exits with 0 only if every distribution of the lock was asked about and none has a known
vulnerability; with 1 if one has; with 2, and "not checked", if the service could not be asked about each of them.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

LOCK = Path(__file__).with_name("requirements.lock")


def locked() -> dict[str, str]:
    """Distribution -> release."""
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", LOCK.read_text("utf-8"), re.M))


def report_of(program: str) -> tuple[dict[str, list[str]], str]:
    """Distribution -> its known vulnerabilities, of those that were asked about; and what the program said."""
    with TemporaryDirectory() as directory:
        file = Path(directory) / "report.json"
        options = ["--strict", "--disable-pip", "--require-hashes", "--progress-spinner=off", "--format=json", f"--output={file}"]
        ended = subprocess.run([program, *options, f"--requirement={LOCK}"], capture_output=True, text=True, check=False)
        said = (ended.stdout + ended.stderr).strip()
        try:
            entries = json.loads(file.read_text("utf-8"))["dependencies"]
        except (OSError, ValueError, KeyError):
            return {}, said
    return {entry["name"]: [found["id"] for found in entry["vulns"]] for entry in entries if "vulns" in entry}, said


def main() -> int:
    report, said = report_of(sys.argv[1])
    wanted = locked()
    bad = {name: found for name, found in report.items() if found}
    for name, found in bad.items():
        print(f"vulnerable: {name} {wanted.get(name, '')}: {', '.join(found)}")
    missing = sorted(set(wanted) - set(report))
    if missing or not wanted:
        print(f"not checked: {len(missing)} of {len(wanted)} distributions, {', '.join(missing[:3])} among them\n{said}")
        return 2
    if not bad:
        print(f"checked: {len(wanted)} distributions, none with a known vulnerability")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
