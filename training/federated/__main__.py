"""Train the denoiser together with others, each on pictures of its own: `server`, `site`, or `simulate` three sites.

See docs/federated.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from photorestore.networks.weights import default_root
from training.config import read_config
from training.federated.delivery import GATES, deliver
from training.federated.local import Site
from training.federated.plan import Plan
from training.federated.rounds import Rounds, read_weights, size_of
from training.place import Place
from training.train_denoise import Config


def make_parser() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.federated", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    simulate = commands.add_parser("simulate", help="three sites in one process, against one place")
    simulate.add_argument("--data", type=Path, default=Place().data, help="root of the pictures")
    simulate.add_argument("--out", type=Path, default=Path("runs/federated_experiment"))
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
    server.add_argument("--weights", type=Path, help="where weights go that pass; default: weights/")
    server.add_argument("--gates", nargs="+", default=[GATES], help="what they have to pass, by pytest")
    site = commands.add_parser("site", help="take part, with pictures that stay here")
    site.add_argument("--server", default="127.0.0.1:9092", help="host:port")
    site.add_argument("--key", type=Path, required=True, help="private key of this site, PEM")
    site.add_argument("--authority", type=Path, help="certificate that the server's is signed by, PEM")
    site.add_argument("--config", type=Path, default=Path("training/configs/denoise.fast.toml"))
    site.add_argument("--data", type=Path, default=Place().data, help="root of the pictures")
    site.add_argument("--runs", type=Path, default=Place().runs)
    site.add_argument("--device", default="cpu")
    site.add_argument("--threads", type=int)
    site.add_argument("--most-steps", type=int, default=20_000, help="that this site does in a round")
    site.add_argument(
        "--statistics", action="store_true", help="send those of the features of these pictures if asked"
    )
    for end in (server, site):
        end.add_argument("--insecure", action="store_true", help="no TLS: for tests on one machine")
    return parser


def serve(arguments: argparse.Namespace) -> None:
    """See a federation through; deliver its weights."""
    from training.federated.coordinator import coordinate
    from training.federated.guard import Guard
    from training.federated.link import Link

    certificates = (arguments.certificate, arguments.key)
    if not (arguments.insecure or all(certificates)):
        sys.exit("a server needs --certificate and --key; --insecure goes without, in the clear")
    keys = {file.stem: file.read_bytes() for file in sorted(arguments.sites.glob("*.pem"))}
    if not keys:
        sys.exit(f"{arguments.sites} holds no public key of a site (NAME.pem)")
    plan, begin = read_config(Plan, arguments.plan), read_weights(arguments.begin)
    link = Link(keys, Guard(2 * size_of(begin)))  # weights and momentum
    server = link.serve(
        arguments.host, arguments.port, *(None if arguments.insecure else str(file) for file in certificates)
    )
    print(f"listening on {arguments.host}:{arguments.port} for {', '.join(keys)}", flush=True)
    end = coordinate(link, plan, begin, arguments.runs, link.names.__getitem__)
    server.should_exit = True
    print(f"done after {end.round} rounds with {', '.join(end.sites) or 'no site'}", flush=True)
    folder, root = Rounds(arguments.runs, plan).folder, arguments.weights or default_root()
    file = deliver(end, plan, arguments.begin, folder, root, arguments.gates)
    print(f"the weights are {file}", flush=True)


def attend_as_site(arguments: argparse.Namespace) -> None:
    """Answer a server until it is stopped."""
    from training.federated.connection import Connection, attend
    from training.federated.messages import answering

    if not (arguments.insecure or arguments.authority):
        sys.exit("a site needs --authority, to know the server; --insecure goes without, in the clear")
    place = Place(
        data=arguments.data, runs=arguments.runs, device=arguments.device, threads=arguments.threads
    )
    site = Site(read_config(Config, arguments.config), place, arguments.most_steps, arguments.statistics)
    authority = None if arguments.insecure else arguments.authority
    attend(Connection(arguments.server, arguments.key, authority), answering(site))


def simulate(arguments: argparse.Namespace) -> None:
    """Do the experiment, and print its table."""
    from training.federated.experiment import run

    print(run(Place(data=arguments.data, runs=arguments.out, threads=1)))


COMMANDS = {"server": serve, "site": attend_as_site, "simulate": simulate}


def main() -> None:
    """Run one of the commands."""
    arguments = make_parser().parse_args()
    COMMANDS[arguments.command](arguments)


if __name__ == "__main__":
    main()
