"""How much is kept, and how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field
from pydantic_settings import BaseSettings

if TYPE_CHECKING:  # Commands read settings too, and need no database.
    from postil.registry.releases.quotas import DomainQuotas
    from postil.registry.reviews.bounds import ReviewBounds


class KeepingSettings(BaseSettings):
    """How much is kept, and how long."""

    review_keep_days: int = Field(
        default=90,
        ge=1,
        le=3650,
        description="Days until reviews are deleted; policies and domains may say less.",
    )
    review_request_kib: int = Field(
        default=64, ge=4, le=8192, description="Of a larger request a review keeps what a reviewer needs, in KiB."
    )
    reviews_per_tenant: int = Field(
        default=1000, ge=1, description="Open reviews of one tenant; with more, answers that need one are not given."
    )
    reviews_per_domain: int = Field(
        default=10_000, ge=1, description="Open reviews of one domain; a tenant with less than its share may have more."
    )
    review_waits_per_tenant: int = Field(
        default=8,
        ge=1,
        description="Requests of one tenant that wait for reviews at a time; one more gets a 429.",
    )
    releases_per_domain: int = Field(
        default=1000, ge=1, description="Releases of one domain; one more is refused (`postil domains quota`)."
    )
    artifact_mib_per_domain: int = Field(
        default=64 << 10, ge=1, description="Size of one domain's adapters in MiB (`postil domains quota`)."
    )
    uploads_per_publisher: int = Field(
        default=2, ge=1, description="Publishes of one person or pipeline at a time; one more is answered 429."
    )
    min_free_mib: int = Field(
        default=1024, ge=0, description="Disk space that a publish leaves free, in MiB; without it, it is answered 507."
    )
    gc_interval_hours: float = Field(
        default=0.0,
        ge=0,
        le=8760,
        description="Hours between two runs of `postil gc`; 0: by hand only.",
    )

    @property
    def review_bounds(self) -> ReviewBounds:
        """The bounds of reviews."""
        from postil.registry.reviews.bounds import ReviewBounds

        return ReviewBounds(
            request_bytes=self.review_request_kib << 10,
            per_tenant=self.reviews_per_tenant,
            per_domain=self.reviews_per_domain,
            keep_days=self.review_keep_days,
        )

    @property
    def domain_quotas(self) -> DomainQuotas:
        """What a domain may keep that has no figures of its own."""
        from postil.registry.releases.quotas import DomainQuotas

        return DomainQuotas(
            releases=self.releases_per_domain,
            artifact_mib=self.artifact_mib_per_domain,
            review_days=self.review_keep_days,
            open_reviews=self.reviews_per_domain,
        )
