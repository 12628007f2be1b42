"""Train a network together with others, each on pictures of its own: `server`, `site`, or `simulate` three sites.

See docs/federated.md.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from training.place import Place


def make_parser() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.federated", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    simulate = commands.add_parser("simulate", help="three sites in one process, against one place")
    simulate.add_argument("--data", type=Path, default=Place().data, help="root of the pictures")
    simulate.add_argument("--out", type=Path, default=Path("runs/federated_experiment"))
    simulate.add_argument("--config", type=Path, default=Path("training/configs/denoise.experiment.toml"))
    simulate.add_argument("--plan", type=Path, default=Path("training/configs/federated.experiment.toml"))
    simulate.add_argument("--alignment", type=float, default=0.01, help="weight of the penalty")
    simulate.add_argument("--begin-steps", type=int, default=400)
    simulate.add_argument("--threads", type=int, default=1)
    server = commands.add_parser("server", help="see a federation through")
    server.add_argument(
        "--plan", type=Path, required=True, help="see training/configs/federated.experiment.toml"
    )
    server.add_argument("--begin", type=Path, required=True, help="weights to begin with")
    server.add_argument(
        "--sites", type=Path, required=True, help="folder of the sites' public keys, NAME.pem"
    )
    server.add_argument("--host", default="127.0.0.1")
    server.add_argument("--port", type=int, default=9092)
    server.add_argument("--certificate", type=Path, help="of this server, PEM")
    server.add_argument("--key", type=Path, help="of the certificate, PEM")
    server.add_argument("--runs", type=Path, default=Place().runs)
    site = commands.add_parser("site", help="take part, with pictures that stay here")
    site.add_argument("--server", default="127.0.0.1:9092", help="host:port")
    site.add_argument("--key", type=Path, required=True, help="private key of this site, PEM")
    site.add_argument("--authority", type=Path, help="certificate that the server's is signed by, PEM")
    site.add_argument("--network", default="denoise")
    site.add_argument("--config", type=Path, default=Path("training/configs/denoise.fast.toml"))
    site.add_argument("--data", type=Path, default=Place().data, help="root of the pictures")
    site.add_argument("--runs", type=Path, default=Place().runs)
    site.add_argument("--device", default="cpu")
    site.add_argument("--threads", type=int)
    site.add_argument("--most-steps", type=int, default=20_000, help="that this site does in a round")
    for end in (server, site):
        end.add_argument("--insecure", action="store_true", help="no TLS: for tests on one machine")
    return parser


def main() -> None:
    """Run one of the commands."""
    arguments = make_parser().parse_args()
    logging.getLogger("flwr").setLevel(logging.WARNING)
    if arguments.command == "simulate":
        from training.federated.experiment import run

        place = Place(data=arguments.data, runs=arguments.out, threads=arguments.threads)
        print(run(place, arguments.config, arguments.plan, arguments.alignment, arguments.begin_steps))
    else:
        from training.federated import commands

        (commands.serve if arguments.command == "server" else commands.attend_as_site)(arguments)


if __name__ == "__main__":
    main()
