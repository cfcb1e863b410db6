"""The settings about who reaches whom: where the server listens, who may call, how our commands call."""

from pydantic import Field, model_validator

from soutu.settings.section import MIB, Bytes, OptionalFile, Port, Section, refused


class ServerSettings(Section):
    """Where the server listens, and how it ends."""

    host: str = Field("127.0.0.1", min_length=1, description="The address that gRPC listens on.")
    port: Port = Field(50_051, description="The port that gRPC listens on; 0 takes a free one.")
    message_bytes: Bytes = Field(64 * MIB, description="The largest message accepted or sent.")
    drain_s: float = Field(
        10.0, ge=0, allow_inf_nan=False, description="How long running calls may go on at shutdown."
    )
    idle_s: float = Field(
        120.0,
        ge=1,
        allow_inf_nan=False,
        description="How long a client may send nothing that is awaited, or take nothing that is sent to it.",
    )
    reflection: bool = Field(True, description="Whether clients may ask for the API's description.")
    metrics_host: str = Field(
        "127.0.0.1", min_length=1, description="The address that Prometheus metrics are served on."
    )
    metrics_port: Port = Field(
        0, description="The port that Prometheus metrics are served on; 0 serves none."
    )
    insecure_public: bool = Field(
        False, description="Insists on listening beyond this machine without keys or client certificates."
    )
    plaintext_public: bool = Field(
        False, description="Insists on listening beyond this machine with keys but without TLS."
    )
    tls_certificate: OptionalFile = Field(
        None, description="The server's certificate chain (PEM); with it the server speaks TLS only."
    )
    tls_key: OptionalFile = Field(None, description="The certificate's private key (PEM, not encrypted).")
    tls_client_authorities: OptionalFile = Field(
        None, description="Authorities (PEM) of which every client needs a certificate."
    )

    @model_validator(mode="after")
    def _tls_is_whole(self) -> "ServerSettings":
        if bool(self.tls_certificate) != bool(self.tls_key):
            given = "tls_certificate" if self.tls_certificate else "tls_key"
            raise refused(f"server.{given}", getattr(self, given), "needs the other of certificate and key")
        if self.tls_client_authorities and not self.tls_certificate:
            sentence = "needs server.tls_certificate and server.tls_key"
            raise refused("server.tls_client_authorities", self.tls_client_authorities, sentence)
        return self


class AccessSettings(Section):
    """Who may call. Without keys everybody who reaches the server may do everything."""

    keys_file: OptionalFile = Field(
        None, description="The file of the keys that callers may have; read anew when it changes."
    )
    keys: str = Field(
        "",
        repr=False,
        description="Keys in the same form as in the file, and beside them.",
        json_schema_extra={"secret": True},
    )
    open_health: bool = Field(True, description="Whether health checks need no key.")
    open_reflection: bool = Field(False, description="Whether the API's description needs no key.")

    @property
    def needs_keys(self) -> bool:
        """Whether callers need a key."""
        return bool(self.keys_file or self.keys)


class ClientSettings(Section):
    """How our command line makes itself known to a server."""

    key: str = Field("", repr=False, description="The key of its calls.", json_schema_extra={"secret": True})
    key_file: OptionalFile = Field(None, description="The file that holds the key and nothing else.")
    tls: bool = Field(False, description="Whether to speak TLS; authorities or a certificate imply it.")
    authorities: OptionalFile = Field(
        None, description="Authorities (PEM) that servers are trusted by; none is the system's."
    )
    certificate: OptionalFile = Field(None, description="Its certificate chain (PEM), for mutual TLS.")
    private_key: OptionalFile = Field(None, description="The private key (PEM) of its certificate.")
    server_name: str = Field(
        "", description="The name in the server's certificate, where that is not its address."
    )

    @model_validator(mode="after")
    def _is_whole(self) -> "ClientSettings":
        if bool(self.certificate) != bool(self.private_key):
            given = "certificate" if self.certificate else "private_key"
            raise refused(f"client.{given}", getattr(self, given), "needs the other of certificate and key")
        return self
