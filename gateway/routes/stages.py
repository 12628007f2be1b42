"""The route that describes the service."""

from __future__ import annotations

from importlib import metadata

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse

from gateway.routes import openapi
from gateway.routes.authorization import require_key
from gateway.routes.edge import edge_of
from gateway.routes.presets import NAMES
from photorestore.imaging import CONTENT_TYPES, LIMITS
from photorestore.imaging.files.sniff import ACCEPTED
from photorestore.options import describe
from photorestore.stage_table import ROWS

about = APIRouter(prefix="/v1", dependencies=[Depends(require_key)], tags=["pictures"])


@about.get(
    "/stages",
    operation_id="get_stages",
    response_class=JSONResponse,
    responses={
        200: {"description": "the service", "content": openapi.document("Service")},
        **openapi.problems({401: openapi.STATUSES[401]}),
    },
)
async def stages(request: Request) -> JSONResponse:
    """Return the stages and their networks, the options and limits, whether jobs are accepted, and the version."""
    edge = edge_of(request)
    ready = {node.stage: node.ready for node in edge.readiness.state.nodes}
    document = {
        "version": metadata.version("photorestore"),
        "stages": [
            {
                "name": row.name,
                "label": row.label,
                "does": row.does,
                "selectable": row.is_selectable,
                "ready_workers": ready.get(row.name, 0),
                "tiers": edge.release.tiers.get(row.name, ()),
                "imported": edge.release.networks.get(row.name, ()),
                "methods": {method.name: method.seconds for method in row.methods},
                "cards": edge.release.cards.get(row.name, []),
            }
            for row in ROWS
        ],
        "options": {NAMES.get(name, name): schema for name, schema in describe().items()},
        "presets": {name: dict(values) for name, values in edge.presets.by_name.items()},
        "jobs": edge.jobs is not None,
        "formats": {"read": list(ACCEPTED), "written": list(CONTENT_TYPES.values())},
        "limits": {
            "upload_bytes": LIMITS.upload_bytes,
            "pixels": LIMITS.pixels,
            "side_px": LIMITS.side_px,
            "requests_in_flight": edge.settings.max_requests,
            "pixels_in_flight": edge.settings.max_pixels,
        },
    }
    return JSONResponse(document)
