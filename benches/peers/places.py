"""Where things lie."""

from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
FIXTURES = ROOT / "target/fixtures"
EXAMPLES = ROOT / "target/release/examples"
OUT = ROOT / "target/peers"
