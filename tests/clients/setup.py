"""Install the programs of others that the slow tests let ask `compose serve`.

    python tests/clients/setup.py
    pytest tests/clients -m slow

They get one environment, in ~/.cache/ensemble-composer-clients or in the folder that the variable
COMPOSER_CLIENTS names: lm_eval, guidellm, LangChain, DSPy, LiteLLM, Schemathesis. It takes about
2 GB of disk with a torch for processors, and more with one for GPUs.
"""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from clients import CLIENTS, READY

REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def main():
    """Install them, unless that was done for these requirements."""
    if not READY.exists() or READY.read_bytes() != REQUIREMENTS.read_bytes():
        subprocess.run([sys.executable, "-m", "venv", CLIENTS], check=True)
        pip = (CLIENTS / "bin" / "python", "-m", "pip", "install")
        subprocess.run([*pip, "--upgrade", "pip"], check=True)
        subprocess.run([*pip, "--requirement", REQUIREMENTS], check=True)
        READY.write_bytes(REQUIREMENTS.read_bytes())
    sys.stdout.write(f"{CLIENTS}\n")


if __name__ == "__main__":
    main()
