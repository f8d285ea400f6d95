"""A collection's description in Croissant 1.1 with its RAI fields, by `mlcroissant`.

Croissant: https://docs.mlcommons.org/croissant/; responsible-AI (RAI) vocabulary 1.0 beside it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

from ediffi.core.errors import UserError
from ediffi.data.audit import Audit
from ediffi.data.entries import Files
from ediffi.data.policy import About
from ediffi.language.people import SEVERAL, UNSTATED

VERSION = "http://mlcommons.org/croissant/1.1"
RAI = "http://mlcommons.org/croissant/RAI/1.0"
# What 1.1 moved to Croissant's own vocabulary; mlcroissant 1.1.1 writes the context of 1.0 without.
NEW_WORDS = {"containedIn": "cr:containedIn"}
MEMBERS = "captions"


def croissant(audit: Audit, files: Files, about: About) -> str:
    """JSON-LD that `mlcroissant` has validated. about: the owner's own words, which come first.

    Raises:
        UserError: `mlcroissant` is missing, or refuses what would be written.
    """
    try:
        import mlcroissant as mlc
    except ImportError as error:
        raise UserError(f"audits need {error.name}: run: pip install 'ediffi[audit]'") from error
    logging.getLogger("absl").setLevel(logging.ERROR)  # it recommends what may well be missing
    told = About.model_validate(_merged(audit.about, about))
    context = mlc.Context(conforms_to=VERSION, rdf=mlc.Rdf(context=mlc.Rdf().context | NEW_WORDS))
    distribution, records = _contents(mlc, context, files)
    try:
        metadata = mlc.Metadata(
            ctx=context,
            name=audit.name,
            description=told.description or f"{audit.pictures:,} captioned pictures.",
            version="1.0.0",
            url=told.url,
            creators=[mlc.Organization(ctx=context, name=told.creator)] if told.creator else [],
            license=[row.spdx or f"unknown: {', '.join(row.written)}" for row in audit.licences],
            cite_as="; ".join(dict.fromkeys(s.attribution for s in audit.sources if s.attribution))
            or None,
            conforms_to=[VERSION, RAI],
            distribution=distribution,
            record_sets=[records],
            data_collection=told.collection,
            data_preprocessing_protocol=list(_preprocessing(audit)),
            data_limitations=list(told.limitations),
            data_biases=[*told.biases, *_biases(audit)],
            data_use_cases=list(told.use_cases),
            data_social_impact=told.social_impact,
            personal_sensitive_information=list(told.personal_information),
            data_release_maintenance_plan=told.maintenance,
        )
        text = json.dumps(metadata.to_json(), indent=1, ensure_ascii=False, default=str)
        mlc.Dataset(jsonld=json.loads(text))
    except mlc.ValidationError as error:
        raise UserError(f"mlcroissant refuses the description of {audit.name}: {error}") from error
    return text


def _merged(found: dict[str, Any], about: About) -> dict[str, Any]:
    """What is known of the collection, and over it what the owner says."""
    return found | about.model_dump(exclude_unset=True)


def _contents(mlc: Any, context: Any, files: Files) -> tuple[list[Any], Any]:
    """Files, and the records in them."""
    objects = [
        mlc.FileObject(
            ctx=context,
            id=file.name,
            name=file.name,
            content_url=file.name,
            encoding_formats=[file.media],
            sha256=file.sha256,
            content_size=f"{file.size} B",
        )
        for file in files.stored
    ]
    if files.members is not None:
        objects.append(
            mlc.FileSet(
                ctx=context,
                id=MEMBERS,
                name=MEMBERS,
                contained_in=list(files.tables),
                encoding_formats=["text/plain"],
                includes=[files.members],
            )
        )
    fields = [
        mlc.Field(
            ctx=context,
            id=f"pictures/{name}",
            name=name,
            data_types=[mlc.DataType.TEXT],
            source=_source(mlc, context, files, place),
        )
        for name, place in files.fields.items()
    ]
    return objects, mlc.RecordSet(ctx=context, id="pictures", name="pictures", fields=fields)


def _source(mlc: Any, context: Any, files: Files, place: str) -> Any:
    """Where a field is read: of each file in the archives, or by its path in the one table."""
    if files.members is None:
        extract = mlc.Extract(ctx=context, json_path=place)
        return mlc.Source(ctx=context, extract=extract, file_object=files.tables[0])
    extract = mlc.Extract(ctx=context, file_property=place)
    return mlc.Source(ctx=context, extract=extract, file_set=MEMBERS)


def _preprocessing(audit: Audit) -> Iterator[str]:
    yield (
        f"Audited by ediffi: {audit.near_share:.1%} of the pictures look like an earlier one by "
        "perceptual hash; licences were read as SPDX expressions."
    )


def _biases(audit: Audit) -> Iterator[str]:
    """What the audit counted of people."""
    if not audit.people.pictures:
        return
    yield f"{audit.people.pictures:,} captions name people. What they are like, by words alone:"
    for attribute, values in audit.people.values.items():
        told = {v: n for v, n in values.items() if v not in (UNSTATED, SEVERAL)}
        counts = ", ".join(f"{value} {count:,}" for value, count in told.items()) or "nothing"
        yield f"{attribute}: {counts}; unstated {values.get(UNSTATED, 0):,}"
