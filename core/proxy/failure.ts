import { MeshError } from "../base/mod.ts";

/** No service, port or rule takes the request. */
export class NoRoute extends MeshError {
  override readonly name = "NoRoute";
  readonly code = "MESH_NO_ROUTE";
  readonly source = "mesh";
}

/** The request's host belongs to another listener than the one that TLS agreed on (RFC 9110, section 15.5.20). */
export class MisdirectedRequest extends MeshError {
  override readonly name = "MisdirectedRequest";
  readonly code = "MESH_MISDIRECTED_REQUEST";
  readonly source = "downstream";
}

/** The rule's backend does not exist, or none has a weight. */
export class NoBackend extends MeshError {
  override readonly name = "NoBackend";
  readonly code = "MESH_NO_BACKEND";
  readonly source = "mesh";
}

/** No endpoint of the cluster can be picked. */
export class NoHealthyEndpoint extends MeshError {
  override readonly name = "NoHealthyEndpoint";
  readonly code = "MESH_NO_HEALTHY_ENDPOINT";
  readonly source = "upstream";
}

/** The upstream could not be reached. */
export class ConnectFailed extends MeshError {
  override readonly name = "ConnectFailed";
  readonly code = "MESH_CONNECT_FAILED";
  readonly source = "upstream";
  override readonly retryable = true;
}

/** The upstream could not prove who it should be. */
export class UntrustedPeer extends MeshError {
  override readonly name = "UntrustedPeer";
  readonly code = "MESH_UNTRUSTED_PEER";
  readonly source = "upstream";
  override readonly retryable = true;
}

/** The upstream ended the connection before its response was whole. */
export class UpstreamReset extends MeshError {
  override readonly name = "UpstreamReset";
  readonly code = "MESH_UPSTREAM_RESET";
  readonly source = "upstream";
}

/** The upstream sent what is no response. */
export class MalformedResponse extends MeshError {
  override readonly name = "MalformedResponse";
  readonly code = "MESH_MALFORMED_RESPONSE";
  readonly source = "upstream";
}

/** A limit on connections or waiting requests is reached. */
export class Overflow extends MeshError {
  override readonly name = "Overflow";
  readonly code = "MESH_OVERFLOW";
  readonly source = "mesh";
}

/** The response was not whole at the request's deadline. */
export class RequestTimeout extends MeshError {
  override readonly name: string = "RequestTimeout";
  readonly code = "MESH_REQUEST_TIMEOUT";
  readonly source = "upstream";
}

/** One attempt took longer than the rule grants: another may be made. */
export class AttemptTimeout extends RequestTimeout {
  override readonly name = "AttemptTimeout";
}

/** No byte moved for too long. */
export class StreamIdle extends MeshError {
  override readonly name = "StreamIdle";
  readonly code = "MESH_STREAM_IDLE";
  readonly source = "mesh";
}

/** The codec refused the request. */
export class MalformedRequest extends MeshError {
  override readonly name = "MalformedRequest";
  readonly code = "MESH_MALFORMED_REQUEST";
  readonly source = "downstream";
  /** The status that the codec asks for: 400, 408, 417, 431, 501, 505. */
  readonly status: number;

  constructor(status: number, problem: string) {
    super(`Cannot take the request: ${problem}`);
    this.status = status;
  }
}

/** The method has no meaning at this listener. */
export class MethodRefused extends MeshError {
  override readonly name = "MethodRefused";
  readonly code = "MESH_METHOD_REFUSED";
  readonly source = "downstream";
}

/** Destinations outside the mesh are not allowed (Mesh, egress REGISTRY_ONLY). */
export class EgressRefused extends MeshError {
  override readonly name = "EgressRefused";
  readonly code = "MESH_EGRESS_REFUSED";
  readonly source = "mesh";
}

/** A host outside the mesh has no address. */
export class UnknownHost extends MeshError {
  override readonly name = "UnknownHost";
  readonly code = "MESH_UNKNOWN_HOST";
  readonly source = "upstream";
}

/** Nobody can say now whether a host is in the mesh: letting it out could be letting it out in plaintext. */
export class DiscoveryUnavailable extends MeshError {
  override readonly name = "DiscoveryUnavailable";
  readonly code = "MESH_DISCOVERY_UNAVAILABLE";
  readonly source = "mesh";
}
