"""What the shell is told."""

from gradcheck_kit.verdict import Verdict

EXIT_CODES = {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.INCONCLUSIVE: 3}
USAGE = 2
INTERRUPTED = 130
MEANING = "exit codes: 0 pass, 1 fail, 2 the call cannot be carried out, 3 inconclusive, 130 interrupted"
