"""The settings of the vector index."""

from pydantic import Field, model_validator

from soutu.settings.section import Positive, Seconds, Section, refused
from soutu.settings.shapes import WebAddress


class IndexSettings(Section):
    """Where vectors are indexed, and how closely the index follows the catalogue."""

    url: WebAddress = Field(
        "",
        description="A Milvus that indexes them, as http://host:19530; empty is this process, in data_dir.",
    )
    user: str = Field("", description="The user that Milvus knows us by.")
    password: str = Field("", repr=False, description="Its password.", json_schema_extra={"secret": True})
    token: str = Field(
        "",
        repr=False,
        description="A token in place of user and password.",
        json_schema_extra={"secret": True},
    )
    database: str = Field("", description="The database in Milvus; empty is its default one.")
    prefix: str = Field(
        "soutu",
        pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$",
        description="What our collections in Milvus are named by; each deployment has its own.",
    )
    wait_s: Seconds = Field(10.0, description="The longest that a request to Milvus is waited for.")
    build_wait_s: Seconds = Field(
        1_800.0, description="How long the build of an index in Milvus may stand still before it has failed."
    )
    indexed_wait_s: float = Field(
        2.0,
        ge=0,
        allow_inf_nan=False,
        description="How long an upload waits for the index before it answers without.",
    )
    backlog: Positive = Field(
        20_000, description="Changes that the index may be behind before writes are refused."
    )
    persist_interval_s: Seconds = Field(
        10.0, description="How often what the index holds is made to survive a power cut."
    )
    optimize_after: Positive = Field(
        5_000, description="Changes after which the index rebuilds its search structures."
    )

    @model_validator(mode="after")
    def _milvus_is_whole(self) -> "IndexSettings":
        if bool(self.user) != bool(self.password):
            given = "user" if self.user else "password"
            raise refused(f"index.{given}", getattr(self, given), "needs the other of user and password")
        if self.token and self.user:
            raise refused("index.token", self.token, "takes the place of index.user and index.password")
        return self
