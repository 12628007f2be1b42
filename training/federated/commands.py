"""`server` and `site`: the two ends of a federation, each a process of its own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from safetensors.torch import load_file

from training.config import read_config
from training.federated.connection import Connection, attend
from training.federated.coordinator import coordinate
from training.federated.link import Link
from training.federated.local import TRAININGS, Site, save_exactly
from training.federated.messages import answering
from training.federated.plan import Plan
from training.place import Place


def serve(arguments: argparse.Namespace) -> None:
    """See a federation through; write its weights to the folder of its checkpoint."""
    certificates = (arguments.certificate, arguments.key)
    if not (arguments.insecure or all(certificates)):
        sys.exit("a server needs --certificate and --key; --insecure goes without, in the clear")
    keys = {file.stem: file.read_bytes() for file in sorted(arguments.sites.glob("*.pem"))}
    if not keys:
        sys.exit(f"{arguments.sites} holds no public key of a site (NAME.pem)")
    plan = read_config(Plan, arguments.plan)
    link = Link(keys)
    server = link.serve(
        arguments.host, arguments.port, *(None if arguments.insecure else str(file) for file in certificates)
    )
    print(f"listening on {arguments.host}:{arguments.port} for {', '.join(keys)}", flush=True)
    weights = {
        name: value.float() if value.is_floating_point() else value
        for name, value in load_file(arguments.begin).items()
    }
    end = coordinate(link, plan, weights, arguments.runs, link.names.__getitem__)
    folder = arguments.runs / f"federated.{plan.network}.{plan.tier}"
    save_exactly(folder / "weights.safetensors", end.weights)
    print(f"done after {end.round} rounds with {', '.join(end.sites) or 'no site'}", flush=True)
    server.should_exit = True


def attend_as_site(arguments: argparse.Namespace) -> None:
    """Answer a server until it is stopped."""
    if not (arguments.insecure or arguments.authority):
        sys.exit("a site needs --authority, to know the server; --insecure goes without, in the clear")
    config = read_config(TRAININGS[arguments.network].Config, arguments.config)
    place = Place(
        data=arguments.data, runs=arguments.runs, device=arguments.device, threads=arguments.threads
    )
    site = Site(config, place, most_steps=arguments.most_steps)
    authority: Path | None = None if arguments.insecure else arguments.authority
    attend(Connection(arguments.server, arguments.key, authority), answering(site))
